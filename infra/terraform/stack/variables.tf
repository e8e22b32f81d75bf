variable "name" {
  description = "Prefix of every resource of this installation; two installations in one account and region need two."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name: 3 to 20 small letters, digits and dashes, a letter first and no dash last; otherwise AWS refuses the bucket's, the database's or a role's name after half of the rest is made."
  }
}

variable "protect" {
  description = "true: database, tables and bucket refuse deletion, and the database leaves a final snapshot. Set false and apply before a destroy that is meant."
  type        = bool
  default     = true
}

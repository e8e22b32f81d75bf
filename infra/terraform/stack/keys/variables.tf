variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "protect" {
  description = "true: a deleted key waits 30 days, so that what it encrypts can still be saved; false: 7 days, the least there is."
  type        = bool
  default     = true
}

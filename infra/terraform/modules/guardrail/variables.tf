variable "name" {
  description = "Name of the guardrail."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-zA-Z-_]{1,50}$", var.name))
    error_message = "name: 1 to 50 letters, digits, dashes and underscores; Bedrock refuses another one."
  }
}

variable "key_arn" {
  description = "KMS key of the guardrail's texts."
  type        = string
}

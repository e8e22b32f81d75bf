variable "name" {
  description = "Alias of the key."
  type        = string
}

variable "description" {
  description = "What the key encrypts; shown in the console."
  type        = string
}

variable "deletion_window_days" {
  description = "Days between asking for the key's deletion and losing everything under it."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days: 7 to 30; KMS refuses anything else when the key is made."
  }
}

variable "senders" {
  description = "AWS services that deliver into what the key encrypts: their principal => the encryption context key and the ARN pattern they are held to."
  type = map(object({
    context_key = string
    arn_pattern = string
  }))
  default = {}
}

variable "log_group_pattern" {
  description = "Name pattern of the log groups that CloudWatch Logs may encrypt with the key; \"\" for none."
  type        = string
  default     = ""
}

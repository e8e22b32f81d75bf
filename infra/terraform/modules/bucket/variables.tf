variable "name" {
  description = "Name of the bucket, unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name: 3 to 63 small letters, digits and dashes; S3 refuses other names, and dots break TLS to the bucket."
  }
}

variable "key_arn" {
  description = "KMS key of all objects."
  type        = string
}

variable "retention_days" {
  description = "Days that an object is kept."
  type        = number
  default     = 365

  validation {
    condition     = var.retention_days >= 8
    error_message = "retention_days: 8 or more; below, S3 may delete a file before a run that waits over a weekend has read it."
  }
}

variable "expiring_prefix" {
  description = "Beginning of the keys that are dropped after retention_days; what else is in the bucket stays. \"\": all."
  type        = string
  default     = ""
}

variable "notifications" {
  description = "Queues to tell of new objects: a name => queue ARN and key prefix."
  type = map(object({
    queue_arn = string
    prefix    = string
  }))
  default = {}

  validation {
    condition     = alltrue([for notification in var.notifications : endswith(notification.prefix, "/")])
    error_message = "notifications: each prefix must end in /; with another one the tagger would be told of its own reports and read them as feedback, without end."
  }
}

variable "protect" {
  description = "true: a destroy stops at a bucket that holds anything; false: it deletes every object and version first."
  type        = bool
  default     = true
}

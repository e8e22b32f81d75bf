variable "name" {
  description = "Name of the queue, without .fifo; its dead-letter queue is NAME-dead."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,70}$", var.name))
    error_message = "name: letters, digits, - and _, at most 70 of them, so that NAME-dead.fifo stays under the 80 that SQS takes."
  }
}

variable "fifo" {
  description = "Keep order per message group, at high throughput: limits count a group and not the queue."
  type        = bool
  default     = false
}

variable "key_arn" {
  description = "KMS key of both queues."
  type        = string
}

variable "visibility_timeout_seconds" {
  description = "How long a message that a killed task held stays away from the others; consumers renew it while they work."
  type        = number
  default     = 60

  validation {
    condition     = var.visibility_timeout_seconds >= 3 && var.visibility_timeout_seconds <= 3600
    error_message = "visibility_timeout_seconds: 3 to 3600, what VISIBILITY_SECONDS takes; below, messages come back while they are worked on, above, a killed task delays its messages for longer than an hour."
  }
}

variable "retention_seconds" {
  description = "How long a message waits for a consumer before SQS deletes it."
  type        = number
  default     = 345600 # 4 days

  validation {
    condition     = var.retention_seconds >= 86400 && var.retention_seconds < 1209600
    error_message = "retention_seconds: one day or more, so that a night's outage loses nothing, and less than 14 days: a dead letter keeps its first enqueue time, and its queue, which keeps 14 days at most, must outlive this one."
  }
}

variable "max_receive_count" {
  description = "Receives after which SQS itself moves a message to the dead-letter queue. A net: the services count failures themselves."
  type        = number
  default     = 50

  validation {
    condition     = var.max_receive_count >= 50 && var.max_receive_count <= 1000
    error_message = "max_receive_count: 50 to 1000; with less, deployments and Spot stops alone dead-letter good messages, since each give-back counts as a receive."
  }
}

variable "senders" {
  description = "AWS services that may send, by a word for the statement: principal (\"s3.amazonaws.com\") and the ARNs they may send for."
  type = map(object({
    principal   = string
    source_arns = list(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for sender in var.senders : length(sender.source_arns) > 0 && alltrue([for arn in sender.source_arns : startswith(arn, "arn:") && !strcontains(arn, "*")])])
    error_message = "senders: each needs the full ARNs it may send for; without them that service could be used by any account to send to this queue."
  }
}

variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "key_arn" {
  description = "KMS key of all queues and topics."
  type        = string
}

variable "bucket_arn" {
  description = "Bucket that may tell the feedback-files queue about uploads."
  type        = string
}

variable "visibility_timeout_seconds" {
  description = "How long a message that a killed task held stays away from the others; VISIBILITY_SECONDS of the services."
  type        = number
  default     = 60
}

variable "ticket_update_emails" {
  description = "Who gets which ticket updates by e-mail: address => SNS filter policy over the attributes employee, owner, resolverGroup, status; {} takes all. Each address is asked to confirm."
  type        = map(map(list(string)))
  default     = {}
}

variable "run_result_emails" {
  description = "Addresses that are told when a feedback file is done. Each is asked to confirm."
  type        = set(string)
  default     = []
}

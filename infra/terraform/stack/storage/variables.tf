variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "bucket_name" {
  description = "Name of the bucket of uploads, rejects and run reports."
  type        = string
}

variable "key_arn" {
  description = "KMS key of tables and bucket."
  type        = string
}

variable "uploads_queue_arn" {
  description = "Queue that is told of every object under uploads/."
  type        = string
}

variable "upload_retention_days" {
  description = "Days that uploads, rejects and reports are kept; their earlier versions and deleted ones go after a quarter of it."
  type        = number
  default     = 365
}

variable "protect" {
  description = "true: tables refuse deletion, and the bucket refuses while it holds anything. false lets `terraform destroy` delete all of it, for good."
  type        = bool
  default     = true
}

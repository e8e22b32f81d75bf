variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "engine" {
  description = "postgres or mysql. A later change makes a new, empty database: move the rows first."
  type        = string
  default     = "postgres"
}

variable "instance_class" {
  description = "Size of the database, a Graviton class. A month in us-east-1, one zone: db.t4g.micro $12, db.t4g.medium $47, db.m7g.large $123; twice that with multi_az."
  type        = string
  default     = "db.t4g.medium"
}

variable "allocated_storage_gib" {
  description = "Storage at the start, $0.115 a GiB and month (gp3); it grows by itself up to four times this."
  type        = number
  default     = 20
}

variable "multi_az" {
  description = "A standby in a second zone: a failed zone costs a minute, not a restore. Doubles the price."
  type        = bool
  default     = false
}

variable "backup_retention_days" {
  description = "Days that the database can be put back to any second of."
  type        = number
  default     = 7
}

variable "protect" {
  description = "true: the database refuses deletion, and leaves a final snapshot if its protection is lifted by hand. false: a destroy deletes it and every row at once."
  type        = bool
  default     = true
}

variable "key_arn" {
  description = "KMS key of storage, backups, Performance Insights, log exports and the secrets."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by the name of who uses them."
  type        = map(string)
}

variable "dashboards" {
  description = "Keep a secret for the read-only user of the dashboards ($0.40 a month)."
  type        = bool
  default     = false
}

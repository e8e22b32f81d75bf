variable "name" {
  description = "Name of the instance, and the beginning of the names of what belongs to it."
  type        = string
}

variable "engine" {
  description = "postgres or mysql."
  type        = string

  validation {
    condition     = contains(["postgres", "mysql"], var.engine)
    error_message = "engine: postgres or mysql; the tagger speaks no other, and every file would wait in its queue."
  }
}

variable "database_name" {
  description = "Database inside the instance."
  type        = string
  default     = "deskhand"
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string

  validation {
    condition     = can(regex("^db\\.[a-z0-9-]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class: a class such as db.t4g.medium; RDS refuses another word after minutes of creating."
  }
}

variable "allocated_storage_gib" {
  description = "Storage at the start; it grows by itself up to four times this."
  type        = number
  default     = 20

  validation {
    condition     = var.allocated_storage_gib >= 20 && var.allocated_storage_gib <= 16384
    error_message = "allocated_storage_gib: 20 to 16384; RDS refuses less for gp3, and four times more would pass what an instance can hold."
  }
}

variable "multi_az" {
  description = "Keep a standby in a second zone."
  type        = bool
  default     = false
}

variable "backup_retention_days" {
  description = "Days that the database can be put back to any second of."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days: 1 to 35; 0 would switch backups off, and a wrong migration could not be undone."
  }
}

variable "log_retention_days" {
  description = "Days that the database's logs are kept."
  type        = number
  default     = 30
}

variable "protect" {
  description = "true: refuse deletion, and leave a final snapshot and the backups if the protection is lifted by hand. false: a destroy takes all of it."
  type        = bool
  default     = true
}

variable "key_arn" {
  description = "KMS key of storage, backups, master secret, Performance Insights and logs."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the instance."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: at least two, in different zones; RDS refuses fewer, also without a standby."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by the name of who uses them."
  type        = map(string)

  validation {
    condition     = length(var.client_security_group_ids) > 0
    error_message = "client_security_group_ids: at least one; nobody could connect, and no row would ever be stored."
  }
}

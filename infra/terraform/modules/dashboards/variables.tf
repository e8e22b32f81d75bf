variable "name" {
  description = "Prefix of everything in QuickSight."
  type        = string
}

variable "database" {
  description = "The database and its read-only user's secret, which the migration has filled."
  type = object({
    engine     = string
    host       = string
    port       = number
    name       = string
    secret_arn = string
  })

  validation {
    condition     = contains(["postgres", "mysql"], var.database.engine)
    error_message = "database.engine: postgres or mysql; QuickSight would speak the wrong protocol to any other."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the VPC connection, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: at least two, in different zones; QuickSight refuses a connection in one."
  }
}

variable "security_group_id" {
  description = "Security group of the VPC connection: to the database and back, nothing else."
  type        = string
}

variable "owner_arn" {
  description = "QuickSight user or group that owns everything: arn:aws:quicksight:REGION:ACCOUNT:user/default/NAME."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:quicksight:[a-z0-9-]+:[0-9]{12}:(user|group)/[^/]+/.+$", var.owner_arn))
    error_message = "owner_arn: the ARN of a QuickSight user or group (aws quicksight list-users); otherwise nobody could open the dashboard, an administrator neither."
  }
}

variable "viewer_arns" {
  description = "QuickSight users or groups that may look at the dashboard."
  type        = list(string)
  default     = []
}

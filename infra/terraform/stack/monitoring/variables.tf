variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "alert_email" {
  description = "Who is told when something is wrong. AWS asks the address to confirm, and tells it nothing until it has."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", var.alert_email))
    error_message = "alert_email: an e-mail address; without one every alarm rings unheard."
  }
}

variable "key_arn" {
  description = "KMS key of the alarm topic."
  type        = string
}

variable "queue_names" {
  description = "Full name of each work queue by its short name."
  type        = map(string)
}

variable "dead_queue_names" {
  description = "Full name of each dead-letter queue by the short name of its work queue."
  type        = map(string)
}

variable "table_names" {
  description = "Table name by short name."
  type        = map(string)
}

variable "cluster_name" {
  description = "ECS cluster."
  type        = string
}

variable "ticket_agent" {
  description = "The ticket agent's service and the alarm of its crashes."
  type        = object({ service_name = string, crash_alarm_name = string })
}

variable "feedback_tagger" {
  description = "The feedback tagger's service and the alarm of its crashes."
  type        = object({ service_name = string, crash_alarm_name = string })
}

variable "database" {
  description = "The database instance: its name, its storage at the start, and how many connections it takes."
  type        = object({ identifier = string, allocated_storage_gib = number, maximum_connections = number })
}

variable "model_ids" {
  description = "Bedrock models that are asked, as requests name them, by what for."
  type        = map(string)
}

variable "oldest_message_minutes" {
  description = "How old the oldest waiting message of a queue may become before somebody is told, by short name; 60 where none is given."
  type        = map(number)
  default     = { ticket-updates = 15, ticket-work = 30, feedback-chunks = 240, feedback-files = 240 }
}

variable "budget_usd_per_month" {
  description = "Dollars a month of everything tagged with this installation's name; told at 80% spent and at 100% forecast."
  type        = number
  default     = 500

  validation {
    condition     = var.budget_usd_per_month >= 1
    error_message = "budget_usd_per_month: at least 1; AWS refuses a budget of nothing."
  }
}

variable "anomaly_usd" {
  description = "Dollars by which a day's costs must exceed what AWS expected before somebody is told; null: nobody is."
  type        = number
  default     = null
}

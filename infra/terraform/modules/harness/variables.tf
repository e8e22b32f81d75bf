variable "name" {
  description = "Name of the harness: letters, digits and underscores."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9_]{0,39}$", var.name))
    error_message = "name: a letter, then letters, digits and underscores, 40 at most; the service reads no other harness ARN."
  }
}

variable "model_policy_json" {
  description = "Policy that lets the harness ask the ticket model."
  type        = string
}

variable "idle_session_seconds" {
  description = "How long a session that was left behind keeps costing; a turn takes seconds."
  type        = number
  default     = 300

  validation {
    condition     = var.idle_session_seconds >= 60 && var.idle_session_seconds <= 28800
    error_message = "idle_session_seconds: 60 to 28800; AgentCore refuses anything else."
  }
}

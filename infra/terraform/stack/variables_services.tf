# Of the services and what is around them. Those of the ground are in variables.tf.

variable "alert_email" {
  description = "Who is told when something is wrong. AWS asks the address to confirm, and tells it nothing until it has."
  type        = string
}

# --- services

variable "ticket_model_id" {
  description = "Bedrock model or inference profile that works on tickets. Without access to it every ticket goes to a person."
  type        = string
  default     = "us.amazon.nova-pro-v1:0"
}

variable "feedback_model_id" {
  description = "Bedrock model or inference profile that labels feedback."
  type        = string
  default     = "us.amazon.nova-micro-v1:0"
}

variable "feedback_batch" {
  description = "Let Bedrock's batch jobs ask about files whose deadline leaves them a day, at half the price. With egress = \"endpoints\" it takes one more interface endpoint, $7.30 a month in each zone."
  type        = bool
  default     = false
}

variable "ticket_agent" {
  description = "Size and number of the ticket agent's tasks, and messages that one may have before it. The first task runs on demand: nobody else reads the table's stream."
  type = object({
    cpu_units        = optional(number, 512)
    memory_mib       = optional(number, 1024)
    minimum_tasks    = optional(number, 1)
    maximum_tasks    = optional(number, 4)
    on_demand_tasks  = optional(number, 1)
    spot             = optional(bool, true)
    backlog_per_task = optional(number, 100)
  })
  default = {}
}

variable "feedback_tagger" {
  description = "Size and number of the feedback tagger's tasks, and messages that one may have before it (a chunk of about twenty rows is one). With minimum_tasks = 0 a message wakes it within about two minutes."
  type = object({
    cpu_units        = optional(number, 512)
    memory_mib       = optional(number, 1024)
    minimum_tasks    = optional(number, 0)
    maximum_tasks    = optional(number, 4)
    on_demand_tasks  = optional(number, 0)
    spot             = optional(bool, true)
    backlog_per_task = optional(number, 500)
  })
  default = {}
}

variable "ticket_agent_settings" {
  description = "Settings of services/ticket_agent/settings.py by field name, where the default does not do."
  type        = map(string)
  default     = {}
}

variable "feedback_tagger_settings" {
  description = "Settings of services/feedback_tagger/settings.py by field name, where the default does not do."
  type        = map(string)
  default     = {}
}

variable "trusted_relays" {
  description = "SenderIds (role ids) of systems that send tickets for their users and vouch for them."
  type        = list(string)
  default     = []
}

variable "drain_seconds" {
  description = "Seconds that a task may take to finish after SIGTERM; ECS kills it 10 seconds later."
  type        = number
  default     = 110
}

variable "log_retention_days" {
  description = "Days that log lines are kept, $0.50 a GB written and $0.03 a GB and month kept."
  type        = number
  default     = 90
}

variable "container_insights" {
  description = "Metrics of each single task, about $10 a month."
  type        = bool
  default     = false
}

# --- optional parts of the ticket agent

variable "ticket_back_end" {
  description = "What the ticket agent runs on: \"converse\"; \"bedrock_agent\" (makes an agent; closed to accounts that had none by July 2026); \"agentcore_harness\" (makes a harness)."
  type        = string
  default     = "converse"

  validation {
    condition     = contains(["converse", "bedrock_agent", "agentcore_harness"], var.ticket_back_end)
    error_message = "ticket_back_end: converse, bedrock_agent or agentcore_harness; with another one the tasks end as soon as they start."
  }
}

variable "guardrail" {
  description = "Put a Bedrock guardrail on the Bedrock agent, $0.15 per 1,000 text units. It is not the guard: that stands in the worker, always."
  type        = bool
  default     = false

  validation {
    condition     = !var.guardrail || var.ticket_back_end == "bedrock_agent"
    error_message = "guardrail: only with ticket_back_end = \"bedrock_agent\"; on another back end it would be made, paid and never asked."
  }
}

variable "knowledge_base" {
  description = "Search the policy documents in a Bedrock knowledge base on S3 Vectors instead of in the image; cents a month."
  type        = bool
  default     = false
}

# --- pipeline

variable "source_connection" {
  description = "Build from a repository: ARN of a connection that a person has confirmed in the console, repository (owner/name) and branch. null: images are pushed by hand."
  type        = object({ arn = string, repository = string, branch = string })
  default     = null
}

variable "keep_images" {
  description = "Images of each service that are kept to roll back to, $0.10 a GB and month."
  type        = number
  default     = 20
}

# --- dashboards

variable "dashboards_owner_arn" {
  description = "QuickSight user or group that owns the dashboards: it switches them on. From $24 a month and author; the account needs a QuickSight subscription first."
  type        = string
  default     = null
}

variable "dashboards_viewer_arns" {
  description = "QuickSight users or groups that may look at the dashboards."
  type        = list(string)
  default     = []
}

# --- costs

variable "budget_usd_per_month" {
  description = "Dollars a month; the alert e-mail is told at 80% spent and at 100% forecast."
  type        = number
  default     = 500
}

variable "cost_anomaly_usd" {
  description = "Tell the alert e-mail of a day that costs so many dollars more than AWS expected; null: no. Takes an account that pays for itself, and Cost Explorer opened once in its console; AWS refuses it elsewhere."
  type        = number
  default     = null
}

variable "oldest_message_minutes" {
  description = "How old the oldest waiting message of a queue may become before somebody is told, by short name; 60 where none is given."
  type        = map(number)
  default     = { ticket-updates = 15, ticket-work = 30, feedback-chunks = 240, feedback-files = 240 }
}

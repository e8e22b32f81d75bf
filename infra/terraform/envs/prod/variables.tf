variable "region" {
  description = "AWS region, one in which Bedrock offers the two models."
  type        = string
}

variable "name" {
  description = "Prefix of every resource."
  type        = string
}

variable "alert_email" {
  description = "Who is told when something is wrong."
  type        = string
}

variable "ticket_model_id" {
  description = "Bedrock model or inference profile that works on tickets. Profiles of a group of regions (us., eu.) work in that group alone."
  type        = string
  default     = "us.amazon.nova-pro-v1:0"
}

variable "feedback_model_id" {
  description = "Bedrock model or inference profile that labels feedback."
  type        = string
  default     = "us.amazon.nova-micro-v1:0"
}

variable "protect" {
  description = "false before a destroy that is meant: databases, tables and buckets may then be deleted."
  type        = bool
  default     = true
}

variable "ticket_back_end" {
  description = "converse, bedrock_agent or agentcore_harness."
  type        = string
  default     = "converse"
}

variable "knowledge_base" {
  description = "Search the policy documents in a Bedrock knowledge base."
  type        = bool
  default     = false
}

variable "dashboards_owner_arn" {
  description = "QuickSight user or group that owns the dashboards: it switches them on."
  type        = string
  default     = null
}

variable "source_connection" {
  description = "Build from a repository: a connection that a person has confirmed, owner/name and branch."
  type        = object({ arn = string, repository = string, branch = string })
  default     = null
}

variable "database_engine" {
  description = "postgres or mysql. A later change makes a new, empty database: move the rows first."
  type        = string
  default     = "postgres"
}

variable "feedback_batch" {
  description = "Let Bedrock's batch jobs ask about files whose deadline leaves them a day, at half the price."
  type        = bool
  default     = false
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

variable "ticket_update_emails" {
  description = "Who gets which ticket updates by e-mail: address => SNS filter policy, {} for all."
  type        = map(map(list(string)))
  default     = {}
}

variable "run_result_emails" {
  description = "Addresses that are told when a feedback file is done."
  type        = set(string)
  default     = []
}

variable "guardrail" {
  description = "Put a Bedrock guardrail on the Bedrock agent."
  type        = bool
  default     = false
}

variable "dashboards_viewer_arns" {
  description = "QuickSight users or groups that may look at the dashboards."
  type        = list(string)
  default     = []
}

variable "cost_anomaly_usd" {
  description = "Tell of a day that costs so many dollars more than AWS expected; null: no. Takes Cost Explorer, and the account that pays."
  type        = number
  default     = null
}

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

variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "cluster_name" {
  description = "ECS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "image" {
  description = "First image by digest."
  type        = string
}

variable "repository_arn" {
  description = "ECR repository of the images."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the tasks."
  type        = string
}

variable "size" {
  description = "Size and number of tasks; the service never has fewer than one, for it reads the Ticket table's stream, whose records live 24 hours."
  type = object({
    cpu_units       = number
    memory_mib      = number
    minimum_tasks   = number
    maximum_tasks   = number
    on_demand_tasks = number
    spot            = bool
  })

  validation {
    condition     = var.size.minimum_tasks >= 1
    error_message = "size.minimum_tasks: at least 1. Nobody else reads the Ticket table's stream: without a task for 24 hours its records are gone, and with them tickets and notifications."
  }
}

variable "queue_urls" {
  description = "Queue URL by short name."
  type        = map(string)
}

variable "queue_arns" {
  description = "Queue ARN by short name."
  type        = map(string)
}

variable "queue_names" {
  description = "Full queue name by short name."
  type        = map(string)
}

variable "dead_queue_urls" {
  description = "URL of the dead-letter queue by the short name of its work queue."
  type        = map(string)
}

variable "dead_queue_arns" {
  description = "ARN of the dead-letter queue by the short name of its work queue."
  type        = map(string)
}

variable "ticket_updates_topic_arn" {
  description = "Topic of the ticket updates."
  type        = string
}

variable "table_names" {
  description = "Table name by short name."
  type        = map(string)
}

variable "table_arns" {
  description = "Table ARN by short name."
  type        = map(string)
}

variable "bucket_name" {
  description = "Bucket in which the directory's file is put, under directory/."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the bucket."
  type        = string
}

variable "ticket_stream_arn" {
  description = "Stream of the Ticket table."
  type        = string
}

variable "ticket_agenda_index_arn" {
  description = "Index of the Ticket table that the sweeper queries."
  type        = string
}

variable "dynamodb_streams_endpoint_url" {
  description = "URL of the DynamoDB Streams endpoint in the VPC; null: the public one."
  type        = string
  default     = null
}

variable "visibility_timeout_seconds" {
  description = "Visibility timeout of the queues."
  type        = number
}

variable "drain_seconds" {
  description = "Seconds that a task may take to finish after SIGTERM."
  type        = number
}

variable "data_key_arn" {
  description = "KMS key of tables and log groups."
  type        = string
}

variable "messages_key_arn" {
  description = "KMS key of queues and topics."
  type        = string
}

variable "model_id" {
  description = "Bedrock model or inference profile that works on tickets."
  type        = string
}

variable "back_end" {
  description = "What the agent runs on: converse, bedrock_agent or agentcore_harness."
  type        = string
  default     = "converse"
}

variable "bedrock_agent" {
  description = "Bedrock agent of the back end bedrock_agent."
  type        = object({ agent_id = string, alias_id = string, alias_arn = string })
  default     = null
}

variable "harness_arn" {
  description = "AgentCore harness of the back end agentcore_harness."
  type        = string
  default     = null
}

variable "knowledge_base" {
  description = "Knowledge base that is searched instead of the documents in the image."
  type        = object({ id = string, arn = string })
  default     = null
}

variable "trusted_relays" {
  description = "SenderIds that vouch for their users."
  type        = list(string)
  default     = []
}

variable "settings" {
  description = "Settings of services/ticket_agent/settings.py by field name, where the default does not do."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.settings), [
      "escalate_after_hours",
      "expire_after_hours",
      "knowledge_base_search_type",
      "log_level",
      "long_poll_seconds",
      "model_prices_file",
      "model_quota_code",
      "model_requests_per_minute",
      "model_tokens_per_day",
      "model_tokens_per_minute",
      "open_ticket_seconds",
      "otel_exporter_otlp_endpoint",
      "otel_exporter_otlp_traces_endpoint",
      "remind_after_hours",
      "resolver_group",
      "sweep_seconds",
      "ticket_run_seconds",
      "ticket_share",
      "ticket_tokens",
      "ticket_tokens_per_day",
      "ticket_turns",
      "ticket_workers",
      "untold_seconds",
    ])) == 0
    error_message = "settings: a name that services/ticket_agent/settings.py does not have, or that is set by another variable; the service would go on with its default."
  }
}

variable "backlog_per_task" {
  description = "Messages that one task may have before it."
  type        = number
  default     = 100
}

variable "log_retention_days" {
  description = "Days that log lines are kept."
  type        = number
}

variable "metric_namespace" {
  description = "CloudWatch namespace of the metrics that are read from the log."
  type        = string
}

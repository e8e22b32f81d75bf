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
  description = "Size and number of tasks; with minimum_tasks = 0 a message wakes the service within about two minutes."
  type = object({
    cpu_units       = number
    memory_mib      = number
    minimum_tasks   = number
    maximum_tasks   = number
    on_demand_tasks = number
    spot            = bool
  })
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

variable "run_results_topic_arn" {
  description = "Topic of the runs' results."
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
  description = "Bucket of uploads, rejects and reports."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the bucket."
  type        = string
}

variable "database" {
  description = "The database: DATABASE_URL of service and migration, without passwords; the user that signs in by IAM; the secrets of the master and, with dashboards, of their read-only user."
  type = object({
    url                  = string
    connect_arn          = string
    app_user             = string
    master_url           = string
    master_secret_arn    = string
    dashboard_user       = string
    dashboard_secret_arn = string
  })
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
  description = "KMS key of tables, bucket, secrets and log groups."
  type        = string
}

variable "messages_key_arn" {
  description = "KMS key of queues and topics."
  type        = string
}

variable "model_id" {
  description = "Bedrock model or inference profile that labels feedback."
  type        = string
}

variable "batch" {
  description = "Whether large files that have a day's time may be asked by Bedrock's batch jobs, at half the price."
  type        = bool
  default     = false
}

variable "settings" {
  description = "Settings of services/feedback_tagger/settings.py by field name, where the default does not do."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.settings), [
      "agreement_least",
      "agreement_share",
      "batch_look_seconds",
      "batch_timeout_hours",
      "database_ca_file",
      "discovery_accept_rows",
      "discovery_distance",
      "discovery_least_texts",
      "discovery_seconds",
      "discovery_texts",
      "email_departments",
      "embedding_model_id",
      "examples_per_category",
      "examples_tenant_column",
      "examples_tokens",
      "feedback_deadline_minutes",
      "feedback_unsure_model_id",
      "feedback_usd_per_day",
      "header_aliases",
      "largest_file_bytes",
      "log_level",
      "long_poll_seconds",
      "model_prices_file",
      "model_quota_code",
      "model_requests_per_minute",
      "model_tokens_per_day",
      "model_tokens_per_minute",
      "otel_exporter_otlp_endpoint",
      "otel_exporter_otlp_traces_endpoint",
      "pool_workers",
      "product_facts_required",
      "prompt_tokens",
      "rows_per_prompt",
      "run_usd",
      "sentiment_aspects",
      "sentiment_votes",
      "singles_workers",
      "stuck_run_seconds",
      "sweep_seconds",
      "ticket_share",
    ])) == 0
    error_message = "settings: a name that services/feedback_tagger/settings.py does not have, or that is set by another variable; the service would go on with its default."
  }

  validation {
    condition     = contains(["DEBUG", "INFO"], lookup(var.settings, "log_level", "INFO")) || var.size.minimum_tasks > 0
    error_message = "settings: log_level WARNING or ERROR only with size.minimum_tasks above 0; the line that says how many runs are open is at INFO, and without it the last task would be stopped while a file waits for its batch job."
  }
}

variable "backlog_per_task" {
  description = "Messages that one task may have before it; a chunk is one message and about twenty rows."
  type        = number
  default     = 500
}

variable "log_retention_days" {
  description = "Days that log lines are kept."
  type        = number
}

variable "metric_namespace" {
  description = "CloudWatch namespace of the metrics that are read from the log."
  type        = string
}

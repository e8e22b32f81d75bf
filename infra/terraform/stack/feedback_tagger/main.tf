# The feedback tagger, and the task that brings its database up to date before each deployment.

locals {
  # Where the image keeps the authorities of RDS, which no system trusts by itself (Dockerfile).
  database_ca_file = lookup(var.settings, "database_ca_file", "/app/certificates/rds.pem")

  queues = ["feedback-files", "feedback-chunks", "feedback-items", "ticket-outcomes"]

  # Categories that are missing are looked for by likeness of texts.
  embedding_model_id = lookup(var.settings, "embedding_model_id", "amazon.titan-embed-text-v2:0")

  environment = merge(
    { for name in local.queues : "${upper(replace(name, "-", "_"))}_QUEUE_URL" => var.queue_urls[name] },
    { for name in local.queues : "${upper(replace(name, "-", "_"))}_DEAD_QUEUE_URL" => var.dead_queue_urls[name] },
    {
      DEPLOYMENT            = var.name
      IDEMPOTENCY_TABLE     = var.table_names["Idempotency"]
      LEASE_TABLE           = var.table_names["Lease"]
      VISIBILITY_SECONDS    = tostring(var.visibility_timeout_seconds)
      MODEL_QUOTAS          = "service-quotas"
      DATABASE_AUTH         = "iam"
      UPLOADS_BUCKET        = var.bucket_name
      RUN_RESULTS_TOPIC_ARN = var.run_results_topic_arn
      DATABASE_URL          = var.database.url
      DATABASE_CA_FILE      = local.database_ca_file
      FEEDBACK_MODEL_ID     = var.model_id
      EMBEDDING_MODEL_ID    = local.embedding_model_id
    },
    { for role in aws_iam_role.batch : "BATCH_ROLE_ARN" => role.arn },
    { for field, value in var.settings : upper(field) => value },
  )

  # services/feedback_tagger/metrics.py. A run whose rows wait for a batch job has no message in any queue.
  open_runs = {
    namespace  = "Deskhand"
    name       = "RunsOpen"
    dimensions = { deployment = var.name, service = "feedback_tagger" }
  }

  migration_environment = {
    DEPLOYMENT           = var.name
    DATABASE_URL         = var.database.master_url
    DATABASE_AUTH        = "secret"
    DATABASE_SECRET_ARN  = var.database.master_secret_arn
    DATABASE_CA_FILE     = local.database_ca_file
    APPLICATION_USER     = var.database.app_user
    DASHBOARD_USER       = var.database.dashboard_secret_arn == null ? null : var.database.dashboard_user
    DASHBOARD_SECRET_ARN = var.database.dashboard_secret_arn
    LOG_LEVEL            = lookup(var.settings, "log_level", null)
  }
}

module "model" {
  source = "../../modules/model"

  model_id = var.model_id
  purpose  = "Feedback"
}

module "unsure_model" {
  source   = "../../modules/model"
  for_each = toset([for field, value in var.settings : value if field == "feedback_unsure_model_id"])

  model_id = each.key
  purpose  = "Unsure"
}

module "embedding_model" {
  source = "../../modules/model"

  model_id = local.embedding_model_id
  purpose  = "Embedding"
}

module "service" {
  source = "../../modules/service"

  name               = "${var.name}-feedback-tagger"
  cluster_name       = var.cluster_name
  cluster_arn        = var.cluster_arn
  python_module      = "services.feedback_tagger"
  image              = var.image
  repository_arn     = var.repository_arn
  environment        = local.environment
  task_policy_json   = data.aws_iam_policy_document.task.json
  cpu_units          = var.size.cpu_units
  memory_mib         = var.size.memory_mib
  drain_seconds      = var.drain_seconds
  subnet_ids         = var.subnet_ids
  security_group_id  = var.security_group_id
  minimum_tasks      = var.size.minimum_tasks
  maximum_tasks      = var.size.maximum_tasks
  on_demand_tasks    = var.size.on_demand_tasks
  spot               = var.size.spot
  queue_names        = [for name in local.queues : var.queue_names[name]]
  backlog_per_task   = var.backlog_per_task
  work_metric        = local.open_runs
  log_retention_days = var.log_retention_days
  metric_namespace   = var.metric_namespace
  key_arn            = var.data_key_arn
}

module "migration" {
  source = "../../modules/task"

  name               = "${var.name}-feedback-migration"
  python_module      = "services.feedback_tagger"
  arguments          = ["migrate"]
  image              = var.image
  repository_arn     = var.repository_arn
  environment        = local.migration_environment
  task_policy_json   = data.aws_iam_policy_document.migration.json
  log_retention_days = var.log_retention_days
  key_arn            = var.data_key_arn
}

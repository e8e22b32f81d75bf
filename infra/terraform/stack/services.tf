locals {
  metric_namespace = "Deskhand/${var.name}"

  # There is no image before the first push. Nothing starts until the pipeline has put a real one in place.
  no_image_yet = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

  pipelines = {
    ticket-agent = {
      repository       = module.repository["ticket-agent"]
      service_name     = module.ticket_agent.service_name
      service_arn      = module.ticket_agent.service_arn
      families         = [module.ticket_agent.family]
      migration_family = null
      role_arns        = module.ticket_agent.role_arns
      build_target     = "ticket_agent"
    }
    feedback-tagger = {
      repository       = module.repository["feedback-tagger"]
      service_name     = module.feedback_tagger.service_name
      service_arn      = module.feedback_tagger.service_arn
      families         = [module.feedback_tagger.family, module.feedback_tagger.migration_family]
      migration_family = module.feedback_tagger.migration_family
      role_arns        = module.feedback_tagger.role_arns
      build_target     = "feedback_tagger"
    }
  }
}

module "repository" {
  source   = "../modules/repository"
  for_each = toset(["ticket-agent", "feedback-tagger"])

  name        = "${var.name}-${each.key}"
  key_arn     = module.keys.data_key_arn
  keep_images = var.keep_images
  protect     = var.protect
}

module "agent" {
  source = "./agent"

  name           = var.name
  model_id       = var.ticket_model_id
  bedrock_agent  = local.bedrock_agent
  guardrail      = var.guardrail
  harness        = local.harness
  knowledge_base = var.knowledge_base
  bucket         = { name = module.storage.bucket_name, arn = module.storage.bucket_arn }
  key_arn        = module.keys.data_key_arn
}

module "ticket_agent" {
  source = "./ticket_agent"

  name                          = var.name
  cluster_name                  = aws_ecs_cluster_capacity_providers.this.cluster_name
  cluster_arn                   = local.cluster_arn
  image                         = "${module.repository["ticket-agent"].url}@${local.no_image_yet}"
  repository_arn                = module.repository["ticket-agent"].arn
  subnet_ids                    = module.network.private_subnet_ids
  security_group_id             = module.network.service_security_group_ids["ticket_agent"]
  size                          = var.ticket_agent
  backlog_per_task              = var.ticket_agent.backlog_per_task
  queue_urls                    = module.messaging.queue_urls
  queue_arns                    = module.messaging.queue_arns
  queue_names                   = module.messaging.queue_names
  dead_queue_urls               = module.messaging.dead_queue_urls
  dead_queue_arns               = module.messaging.dead_queue_arns
  ticket_updates_topic_arn      = module.messaging.topic_arns["ticket-updates"]
  table_names                   = module.storage.table_names
  table_arns                    = module.storage.table_arns
  bucket_name                   = module.storage.bucket_name
  bucket_arn                    = module.storage.bucket_arn
  ticket_stream_arn             = module.storage.ticket_stream_arn
  ticket_agenda_index_arn       = module.storage.ticket_agenda_index_arn
  dynamodb_streams_endpoint_url = module.network.dynamodb_streams_endpoint_url
  visibility_timeout_seconds    = module.messaging.visibility_timeout_seconds
  drain_seconds                 = var.drain_seconds
  data_key_arn                  = module.keys.data_key_arn
  messages_key_arn              = module.keys.messages_key_arn
  model_id                      = var.ticket_model_id
  back_end                      = var.ticket_back_end
  bedrock_agent                 = module.agent.bedrock_agent
  harness_arn                   = module.agent.harness_arn
  knowledge_base                = module.agent.knowledge_base
  trusted_relays                = var.trusted_relays
  settings                      = var.ticket_agent_settings
  log_retention_days            = var.log_retention_days
  metric_namespace              = local.metric_namespace
}

module "feedback_tagger" {
  source = "./feedback_tagger"

  name                       = var.name
  cluster_name               = aws_ecs_cluster_capacity_providers.this.cluster_name
  cluster_arn                = local.cluster_arn
  image                      = "${module.repository["feedback-tagger"].url}@${local.no_image_yet}"
  repository_arn             = module.repository["feedback-tagger"].arn
  subnet_ids                 = module.network.private_subnet_ids
  security_group_id          = module.network.service_security_group_ids["feedback_tagger"]
  size                       = var.feedback_tagger
  backlog_per_task           = var.feedback_tagger.backlog_per_task
  queue_urls                 = module.messaging.queue_urls
  queue_arns                 = module.messaging.queue_arns
  queue_names                = module.messaging.queue_names
  dead_queue_urls            = module.messaging.dead_queue_urls
  dead_queue_arns            = module.messaging.dead_queue_arns
  run_results_topic_arn      = module.messaging.topic_arns["run-results"]
  table_names                = module.storage.table_names
  table_arns                 = module.storage.table_arns
  bucket_name                = module.storage.bucket_name
  bucket_arn                 = module.storage.bucket_arn
  drain_seconds              = var.drain_seconds
  visibility_timeout_seconds = module.messaging.visibility_timeout_seconds
  data_key_arn               = module.keys.data_key_arn
  messages_key_arn           = module.keys.messages_key_arn
  model_id                   = var.feedback_model_id
  batch                      = var.feedback_batch
  settings                   = var.feedback_tagger_settings
  log_retention_days         = var.log_retention_days
  metric_namespace           = local.metric_namespace

  database = {
    url                  = module.databases.database_url
    connect_arn          = module.databases.app_connect_arn
    app_user             = module.databases.app_user
    master_url           = module.databases.master_database_url
    master_secret_arn    = module.databases.master_secret_arn
    dashboard_user       = module.databases.dashboard_user
    dashboard_secret_arn = module.databases.dashboard_secret_arn
  }
}

module "pipeline" {
  source = "./pipeline"

  name                 = var.name
  artifact_bucket_name = "${var.name}-artifacts-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.region}"
  cluster_name         = aws_ecs_cluster.this.name
  cluster_arn          = local.cluster_arn
  services             = local.pipelines
  source_connection    = var.source_connection
  key_arn              = module.keys.data_key_arn
  log_retention_days   = var.log_retention_days
  protect              = var.protect
}

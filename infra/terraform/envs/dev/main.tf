provider "aws" {
  region = var.region

  default_tags {
    # Budget and cost reports go by these.
    tags = { application = "deskhand", name = var.name, environment = local.environment }
  }
}

module "deskhand" {
  source = "../../stack"

  name                     = var.name
  alert_email              = var.alert_email
  ticket_model_id          = var.ticket_model_id
  feedback_model_id        = var.feedback_model_id
  protect                  = var.protect
  ticket_back_end          = var.ticket_back_end
  knowledge_base           = var.knowledge_base
  dashboards_owner_arn     = var.dashboards_owner_arn
  source_connection        = var.source_connection
  database_engine          = var.database_engine
  feedback_batch           = var.feedback_batch
  ticket_agent_settings    = var.ticket_agent_settings
  feedback_tagger_settings = var.feedback_tagger_settings
  trusted_relays           = var.trusted_relays
  ticket_update_emails     = var.ticket_update_emails
  run_result_emails        = var.run_result_emails
  guardrail                = var.guardrail
  dashboards_viewer_arns   = var.dashboards_viewer_arns
  cost_anomaly_usd         = var.cost_anomaly_usd

  availability_zone_count        = local.values.availability_zone_count
  egress                         = local.values.egress
  flow_logs_retention_days       = local.values.flow_logs_retention_days
  database_instance_class        = local.values.database_instance_class
  database_multi_az              = local.values.database_multi_az
  database_backup_retention_days = local.values.database_backup_retention_days
  ticket_agent                   = local.values.ticket_agent
  feedback_tagger                = local.values.feedback_tagger
  log_retention_days             = local.values.log_retention_days
  container_insights             = local.values.container_insights
  budget_usd_per_month           = local.values.budget_usd_per_month
}

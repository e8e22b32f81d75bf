provider "aws" {
  region = var.region

  default_tags {
    # Budget and cost reports go by these.
    tags = { application = "deskhand", name = var.name, environment = local.environment }
  }
}

module "deskhand" {
  source = "../../stack"

  name                 = var.name
  alert_email          = var.alert_email
  ticket_model_id      = var.ticket_model_id
  feedback_model_id    = var.feedback_model_id
  protect              = var.protect
  ticket_back_end      = var.ticket_back_end
  knowledge_base       = var.knowledge_base
  dashboards_owner_arn = var.dashboards_owner_arn
  source_connection    = var.source_connection

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

module "monitoring" {
  source = "./monitoring"

  name                   = var.name
  alert_email            = var.alert_email
  key_arn                = module.keys.messages_key_arn
  queue_names            = module.messaging.queue_names
  dead_queue_names       = module.messaging.dead_queue_names
  table_names            = module.storage.table_names
  cluster_name           = aws_ecs_cluster.this.name
  ticket_agent           = module.ticket_agent
  feedback_tagger        = module.feedback_tagger
  model_ids              = { tickets = var.ticket_model_id, feedback = var.feedback_model_id }
  budget_usd_per_month   = var.budget_usd_per_month
  anomaly_usd            = var.cost_anomaly_usd
  oldest_message_minutes = var.oldest_message_minutes

  database = {
    identifier            = module.databases.identifier
    allocated_storage_gib = var.database_storage_gib
    # PostgreSQL: memory / 9,531,392 bytes; MySQL: memory / 12,582,880. A db.t4g.medium takes 450 and 340; half of the
    # smaller is enough for ten times our tasks and leaves room to look at what goes on. The smallest take fewer.
    maximum_connections = lookup({ micro = 60, small = 120 }, element(split(".", var.database_instance_class), 2), 150)
  }
}

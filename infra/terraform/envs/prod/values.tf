# All that differs from the other environment.
locals {
  environment = "prod"

  values = {
    availability_zone_count        = 3
    egress                         = "endpoints" # nothing but AWS can be reached from a task
    flow_logs_retention_days       = 90
    database_instance_class        = "db.m7g.large"
    database_multi_az              = true
    database_backup_retention_days = 14
    # Two tasks on demand: a zone, or a deployment, may fail.
    ticket_agent         = { cpu_units = 1024, memory_mib = 2048, minimum_tasks = 2, maximum_tasks = 10, on_demand_tasks = 2 }
    feedback_tagger      = { cpu_units = 1024, memory_mib = 2048, minimum_tasks = 0, maximum_tasks = 10, on_demand_tasks = 1 }
    log_retention_days   = 365
    container_insights   = true
    budget_usd_per_month = 2000
  }
}

# All that differs from the other environment.
locals {
  environment = "dev"

  values = {
    availability_zone_count        = 2
    egress                         = "nat" # $36.50 a month instead of $131
    flow_logs_retention_days       = 0
    database_instance_class        = "db.t4g.micro"
    database_multi_az              = false
    database_backup_retention_days = 1
    ticket_agent                   = { cpu_units = 256, memory_mib = 512, maximum_tasks = 2 }
    feedback_tagger                = { cpu_units = 256, memory_mib = 1024, maximum_tasks = 2 } # two large e-mails at once take 700 MB
    log_retention_days             = 14
    container_insights             = false
    budget_usd_per_month           = 150
  }
}

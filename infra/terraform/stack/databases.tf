module "databases" {
  source = "./databases"

  name                  = var.name
  engine                = var.database_engine
  instance_class        = var.database_instance_class
  allocated_storage_gib = var.database_storage_gib
  multi_az              = var.database_multi_az
  backup_retention_days = var.database_backup_retention_days
  protect               = var.protect
  key_arn               = module.keys.data_key_arn
  vpc_id                = module.network.vpc_id
  subnet_ids            = module.network.private_subnet_ids
  dashboards            = local.dashboards_enabled

  # The ticket agent has its tables, and no business here.
  client_security_group_ids = { for name, id in module.network.service_security_group_ids : name => id if name != "ticket_agent" }
}

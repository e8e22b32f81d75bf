module "dashboards" {
  source = "../modules/dashboards"
  count  = local.dashboards_enabled ? 1 : 0

  name              = var.name
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.network.service_security_group_ids["dashboards"]
  owner_arn         = var.dashboards_owner_arn
  viewer_arns       = var.dashboards_viewer_arns

  database = {
    engine     = module.databases.engine
    host       = module.databases.address
    port       = module.databases.port
    name       = module.databases.database_name
    secret_arn = module.databases.dashboard_secret_arn
  }
}

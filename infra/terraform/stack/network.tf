module "network" {
  source = "./network"

  name                     = var.name
  cidr_block               = var.cidr_block
  availability_zone_count  = var.availability_zone_count
  egress                   = var.egress
  interface_services       = local.interface_services
  service_names            = local.service_names
  table_name_prefix        = "${var.name}-"
  flow_logs_retention_days = var.flow_logs_retention_days
  logs_key_arn             = module.keys.data_key_arn
}

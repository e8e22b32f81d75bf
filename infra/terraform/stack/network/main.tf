module "network" {
  source = "../../modules/network"

  name                     = var.name
  cidr_block               = var.cidr_block
  availability_zone_count  = var.availability_zone_count
  availability_zones       = var.availability_zones
  egress                   = var.egress
  interface_services       = var.interface_services
  service_names            = var.service_names
  isolated_names           = var.isolated_names
  table_name_prefix        = var.table_name_prefix
  flow_logs_retention_days = var.flow_logs_retention_days
  logs_key_arn             = var.logs_key_arn
}

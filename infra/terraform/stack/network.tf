locals {
  # Every API that a task calls, and what ECS calls for it. A test compares them with the clients the code opens.
  interface_services = toset(concat(
    ["bedrock-runtime", "dynamodb-streams", "servicequotas", "sns", "sqs"],
    ["ecr.api", "ecr.dkr", "logs", "secretsmanager"],
    local.optional_interface_services,
  ))
}

module "network" {
  source = "./network"

  name                     = var.name
  cidr_block               = var.cidr_block
  availability_zone_count  = var.availability_zone_count
  availability_zones       = var.availability_zones
  egress                   = var.egress
  interface_services       = local.interface_services
  isolated_names           = local.dashboards_enabled ? ["dashboards"] : []
  table_name_prefix        = "${var.name}-"
  flow_logs_retention_days = var.flow_logs_retention_days
  logs_key_arn             = module.keys.data_key_arn
}

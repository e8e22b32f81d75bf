module "database" {
  source = "../../modules/database"

  name                      = var.name
  engine                    = var.engine
  instance_class            = var.instance_class
  allocated_storage_gib     = var.allocated_storage_gib
  multi_az                  = var.multi_az
  backup_retention_days     = var.backup_retention_days
  protect                   = var.protect
  key_arn                   = var.key_arn
  vpc_id                    = var.vpc_id
  subnet_ids                = var.subnet_ids
  client_security_group_ids = var.client_security_group_ids
}

# QuickSight signs in by password alone. The migration task makes one up and puts it here: no state ever holds it.
resource "aws_secretsmanager_secret" "dashboards" {
  #checkov:skip=CKV2_AWS_57:the migration task changes the password; QuickSight reads it anew at each connection
  count = var.dashboards ? 1 : 0

  name                    = "${var.name}-dashboards"
  description             = "Read-only database user of the dashboards; written by the migration task"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.protect ? 30 : 0
}

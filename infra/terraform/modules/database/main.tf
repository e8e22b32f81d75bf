locals {
  engines = {
    postgres = {
      version = "17"
      family  = "postgres17"
      scheme  = "postgresql"
      port    = 5432
      logs    = ["postgresql", "upgrade"]
      parameters = {
        # Refuses a connection without TLS; whether the client checks the certificate is the client's part.
        "rds.force_ssl"              = "1"
        "log_min_duration_statement" = "1000"
        "log_statement"              = "ddl"
      }
    }
    mysql = {
      version = "8.4"
      family  = "mysql8.4"
      scheme  = "mysql"
      port    = 3306
      logs    = ["error", "slowquery"]
      parameters = {
        # Refuses a connection without TLS; whether the client checks the certificate is the client's part.
        "require_secure_transport" = "1"
        "slow_query_log"           = "1"
        "long_query_time"          = "1"
        "log_output"               = "FILE"
      }
    }
  }
  engine = local.engines[var.engine]

  # RDS refuses Performance Insights for MySQL on the smallest classes.
  performance_insights = !(var.engine == "mysql" && can(regex("^db\\.t[34]g?\\.(micro|small)$", var.instance_class)))

  app_user       = "deskhand_app"
  dashboard_user = "deskhand_dashboards"
  master_user    = "deskhand_admin"
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = var.engine
  engine_version = local.engine.version
  instance_class = var.instance_class
  db_name        = var.database_name
  port           = local.engine.port

  # RDS makes the password, keeps it in Secrets Manager and changes it every week: no state and no person holds it.
  username                            = local.master_user
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = var.key_arn
  iam_database_authentication_enabled = true

  allocated_storage     = var.allocated_storage_gib
  max_allocated_storage = var.allocated_storage_gib * 4
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.key_arn

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false
  multi_az               = var.multi_az
  ca_cert_identifier     = "rds-ca-rsa2048-g1"
  parameter_group_name   = aws_db_parameter_group.this.name

  backup_retention_period   = var.backup_retention_days
  backup_window             = "02:00-03:00"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = !var.protect
  deletion_protection       = var.protect
  skip_final_snapshot       = !var.protect
  final_snapshot_identifier = "${var.name}-final-${formatdate("YYYYMMDDhhmmss", timestamp())}"

  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = false
  maintenance_window          = "sun:03:30-sun:04:30"
  apply_immediately           = false

  enabled_cloudwatch_logs_exports = local.engine.logs
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.monitoring.arn
  performance_insights_enabled    = local.performance_insights
  performance_insights_kms_key_id = local.performance_insights ? var.key_arn : null

  lifecycle {
    # The name of the last snapshot is settled when the instance is made: one made later under the same name gets
    # another, and its destroy does not fail on the snapshot of the first.
    ignore_changes = [final_snapshot_identifier]
  }

  # RDS would make them itself, kept for ever and without our key.
  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  family      = local.engine.family
  description = "${var.name}: TLS only, slow statements logged"

  dynamic "parameter" {
    for_each = local.engine.parameters

    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = "immediate"
    }
  }

  lifecycle {
    # A major version brings another family; the instance must have the new group before the old one goes.
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:slow statements and errors are of use for weeks; who signed in is in CloudTrail
  for_each = toset(local.engine.logs)

  name              = "/aws/rds/instance/${var.name}/${each.value}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

output "identifier" {
  description = "Name of the instance."
  value       = aws_db_instance.this.identifier
}

output "arn" {
  description = "ARN of the instance."
  value       = aws_db_instance.this.arn
}

output "address" {
  description = "Host name."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "5432 or 3306."
  value       = local.engine.port
}

output "database_name" {
  description = "Database inside the instance."
  value       = var.database_name
}

output "security_group_id" {
  description = "Security group of the instance."
  value       = aws_security_group.database.id
}

output "master_secret_arn" {
  description = "Secret of the master user, kept and rotated by RDS."
  value       = one(aws_db_instance.this.master_user_secret[*].secret_arn)
}

output "app_user" {
  description = "User of the tagger."
  value       = local.app_user
}

output "dashboard_user" {
  description = "Read-only user of the dashboards."
  value       = local.dashboard_user
}

output "app_connect_arn" {
  description = "Resource of rds-db:connect for the tagger's user."
  value = join(":", [
    "arn", data.aws_partition.current.partition, "rds-db", data.aws_region.current.region,
    data.aws_caller_identity.current.account_id, "dbuser", "${aws_db_instance.this.resource_id}/${local.app_user}",
  ])
}

output "app_url" {
  description = "Where the tagger's user connects, without a password."
  value       = "${local.engine.scheme}://${local.app_user}@${aws_db_instance.this.address}:${local.engine.port}/${var.database_name}"
}

output "master_url" {
  description = "Where the master user connects, without a password."
  value       = "${local.engine.scheme}://${local.master_user}@${aws_db_instance.this.address}:${local.engine.port}/${var.database_name}"
}

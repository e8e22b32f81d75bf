output "engine" {
  description = "postgres or mysql."
  value       = var.engine
}

output "identifier" {
  description = "Name of the instance, the dimension DBInstanceIdentifier of CloudWatch."
  value       = module.database.identifier
}

output "arn" {
  description = "ARN of the instance."
  value       = module.database.arn
}

output "address" {
  description = "Host name."
  value       = module.database.address
}

output "port" {
  description = "5432 or 3306."
  value       = module.database.port
}

output "database_name" {
  description = "Name of the database inside."
  value       = module.database.database_name
}

output "security_group_id" {
  description = "Security group of the database. QuickSight's group takes answers from it."
  value       = module.database.security_group_id
}

output "master_secret_arn" {
  description = "Secret of the master user, kept and rotated by RDS: {\"username\", \"password\"}. For migrations alone."
  value       = module.database.master_secret_arn
}

output "app_user" {
  description = "User of the tagger, without a password: it signs in by IAM. The migration task creates it."
  value       = module.database.app_user
}

output "app_connect_arn" {
  description = "Resource of rds-db:connect for app_user."
  value       = module.database.app_connect_arn
}

output "dashboard_user" {
  description = "Read-only user of the dashboards. The migration task creates it and writes its password to the secret."
  value       = module.database.dashboard_user
}

output "dashboard_secret_arn" {
  description = "Secret of dashboard_user, empty until the migration task has filled it; null without dashboards."
  value       = one(aws_secretsmanager_secret.dashboards[*].arn)
}

output "database_url" {
  description = "DATABASE_URL of the tagger, without a password."
  value       = module.database.app_url
}

output "master_database_url" {
  description = "DATABASE_URL of the migration task, without a password: it takes that from the secret."
  value       = module.database.master_url
}

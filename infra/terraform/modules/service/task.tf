module "task" {
  source = "../task"

  name               = var.name
  python_module      = var.python_module
  health_port        = 8080
  image              = var.image
  repository_arn     = var.repository_arn
  environment        = var.environment
  task_policy_json   = var.task_policy_json
  cpu_units          = var.cpu_units
  memory_mib         = var.memory_mib
  drain_seconds      = var.drain_seconds
  log_retention_days = var.log_retention_days
  key_arn            = var.key_arn
}

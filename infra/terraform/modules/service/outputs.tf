output "name" {
  description = "Name of the service, the dimension ServiceName of CloudWatch."
  value       = aws_ecs_service.this.name
}

output "arn" {
  description = "ARN of the service."
  value       = "arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:service/${var.cluster_name}/${var.name}"
}

output "family" {
  description = "Family of the task definition."
  value       = module.task.family
}

output "container_name" {
  description = "Name of the container whose image a deployment changes."
  value       = module.task.container_name
}

output "environment" {
  description = "Every environment variable of the container."
  value       = module.task.environment
}

output "stop_timeout_seconds" {
  description = "Seconds between SIGTERM and SIGKILL."
  value       = module.task.stop_timeout_seconds
}

output "task_role_arn" {
  description = "Role of the code."
  value       = module.task.task_role_arn
}

output "task_policy_json" {
  description = "Policy of the task role."
  value       = module.task.task_policy_json
}

output "execution_role_arn" {
  description = "Role of ECS for pulling and logging."
  value       = module.task.execution_role_arn
}

output "log_group_name" {
  description = "Log group of the tasks."
  value       = module.task.log_group_name
}

output "crash_alarm_name" {
  description = "Alarm on tasks that end by themselves; a deployment is rolled back by it."
  value       = aws_cloudwatch_metric_alarm.crashes.alarm_name
}

output "crash_metric_name" {
  description = "Metric of the crashes, in metric_namespace."
  value       = local.crash_metric
}

output "minimum_tasks" {
  description = "Tasks that always run."
  value       = var.minimum_tasks
}

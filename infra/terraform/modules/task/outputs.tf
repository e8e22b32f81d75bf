output "family" {
  description = "Family of the task definition; its latest revision has the environment that Terraform knows."
  value       = aws_ecs_task_definition.this.family
}

output "task_definition_arn" {
  description = "The revision that Terraform wrote."
  value       = aws_ecs_task_definition.this.arn
}

output "container_name" {
  description = "Name of the container whose image a deployment changes."
  value       = var.container_name
}

output "environment" {
  description = "Every environment variable of the container."
  value       = { for name, value in local.environment : name => value if value != null }
}

output "stop_timeout_seconds" {
  description = "Seconds between SIGTERM and SIGKILL."
  value       = local.stop_timeout_seconds
}

output "task_role_arn" {
  description = "Role of the code."
  value       = aws_iam_role.task.arn
}

output "task_policy_json" {
  description = "Policy of the task role."
  value       = var.task_policy_json
}

output "execution_role_arn" {
  description = "Role of ECS for pulling and logging."
  value       = aws_iam_role.execution.arn
}

output "log_group_name" {
  description = "Log group of the container."
  value       = aws_cloudwatch_log_group.this.name
}

output "log_group_arn" {
  description = "ARN of the log group."
  value       = aws_cloudwatch_log_group.this.arn
}

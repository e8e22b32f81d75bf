output "service_name" {
  description = "Name of the service."
  value       = module.service.name
}

output "service_arn" {
  description = "ARN of the service."
  value       = module.service.arn
}

output "family" {
  description = "Family of the task definition."
  value       = module.service.family
}

output "environment" {
  description = "Every environment variable of the container."
  value       = module.service.environment
}

output "task_policy_json" {
  description = "What the code may do in AWS."
  value       = module.service.task_policy_json
}

output "stop_timeout_seconds" {
  description = "Seconds between SIGTERM and SIGKILL."
  value       = module.service.stop_timeout_seconds
}

output "log_group_name" {
  description = "Log group of the tasks."
  value       = module.service.log_group_name
}

output "crash_alarm_name" {
  description = "Alarm on tasks that end by themselves."
  value       = module.service.crash_alarm_name
}

output "minimum_tasks" {
  description = "Tasks that always run."
  value       = module.service.minimum_tasks
}

output "role_arns" {
  description = "Roles that a deployment hands to ECS."
  value       = [module.service.task_role_arn, module.service.execution_role_arn]
}

output "seed_family" {
  description = "Task definition that loads the directory from the bucket; a person runs it."
  value       = module.seeding.family
}

output "seed_environment" {
  description = "Every environment variable of the seeding task."
  value       = module.seeding.environment
}

output "seed_policy_json" {
  description = "What the seeding task may do in AWS."
  value       = module.seeding.task_policy_json
}

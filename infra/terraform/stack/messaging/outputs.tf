output "queue_urls" {
  description = "Queue URL by short name: ticket-intake, ticket-decisions, ticket-work, ticket-updates, feedback-files, feedback-chunks, feedback-items, ticket-outcomes."
  value       = { for name, queue in module.queue : name => queue.url }
}

output "queue_arns" {
  description = "Queue ARN by short name."
  value       = { for name, queue in module.queue : name => queue.arn }
}

output "queue_names" {
  description = "Full queue name by short name, the dimension QueueName of CloudWatch."
  value       = { for name, queue in module.queue : name => queue.name }
}

output "dead_queue_urls" {
  description = "URL of the dead-letter queue by the short name of its work queue."
  value       = { for name, queue in module.queue : name => queue.dead_url }
}

output "dead_queue_arns" {
  description = "ARN of the dead-letter queue by the short name of its work queue."
  value       = { for name, queue in module.queue : name => queue.dead_arn }
}

output "dead_queue_names" {
  description = "Full name of the dead-letter queue by the short name of its work queue."
  value       = { for name, queue in module.queue : name => queue.dead_name }
}

output "topic_arns" {
  description = "Topic ARN by short name: ticket-updates, run-results."
  value       = { for name, topic in module.topic : name => topic.arn }
}

output "topic_names" {
  description = "Full topic name by short name, the dimension TopicName of CloudWatch."
  value       = { for name, topic in module.topic : name => topic.name }
}

output "mailbox_url" {
  description = "Queue that gets a copy of every notification; `deskhand mailbox` reads it."
  value       = aws_sqs_queue.mailbox.url
}

output "mailbox_arn" {
  description = "ARN of the mailbox."
  value       = aws_sqs_queue.mailbox.arn
}

output "visibility_timeout_seconds" {
  description = "What every queue was given; VISIBILITY_SECONDS of the services."
  value       = var.visibility_timeout_seconds
}

# What whoever pushes an image needs, and what a person needs next.

output "name" {
  description = "Prefix of every resource: `deskhand --name`."
  value       = var.name
}

output "region" {
  description = "Region of this installation."
  value       = data.aws_region.current.region
}

output "cluster_name" {
  description = "ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "repository_urls" {
  description = "Where images are pushed, by service: a push deploys."
  value       = { for name, repository in module.repository : name => repository.url }
}

output "pipeline_names" {
  description = "The pipeline that a push starts, by service."
  value       = module.pipeline.pipeline_names
}

output "service_names" {
  description = "ECS services by short name."
  value = {
    ticket-agent    = module.ticket_agent.service_name
    feedback-tagger = module.feedback_tagger.service_name
  }
}

output "migration_family" {
  description = "Task definition that brings the database up to date; the pipeline runs it before each deployment."
  value       = module.feedback_tagger.migration_family
}

output "seed_family" {
  description = "Task definition that loads the directory from the bucket; a person runs it (docs/deploy.md)."
  value       = module.ticket_agent.seed_family
}

output "queue_urls" {
  description = "Queue URLs by short name; tickets are sent to ticket-intake."
  value       = module.messaging.queue_urls
}

output "dead_queue_urls" {
  description = "Dead-letter queue URLs by the short name of the work queue."
  value       = module.messaging.dead_queue_urls
}

output "mailbox_url" {
  description = "Queue with a copy of every notification."
  value       = module.messaging.mailbox_url
}

output "topic_arns" {
  description = "Topics by short name."
  value       = module.messaging.topic_arns
}

output "table_names" {
  description = "Tables by short name."
  value       = module.storage.table_names
}

output "uploads_bucket" {
  description = "Feedback files go under uploads/ in it."
  value       = module.storage.bucket_name
}

output "dashboard_name" {
  description = "CloudWatch dashboard."
  value       = module.monitoring.dashboard_name
}

output "alarm_names" {
  description = "Every alarm that tells somebody."
  value       = module.monitoring.alarm_names
}

output "quicksight_dashboard_id" {
  description = "QuickSight dashboard; null without."
  value       = one(module.dashboards[*].dashboard_id)
}

output "knowledge_base_ingestion_command" {
  description = "Reads the policy documents into the knowledge base; null without."
  value       = module.agent.ingestion_command
}

output "task_policies" {
  description = "What each task may do in AWS, by short name."
  value = {
    ticket-agent       = module.ticket_agent.task_policy_json
    ticket-seed        = module.ticket_agent.seed_policy_json
    feedback-tagger    = module.feedback_tagger.task_policy_json
    feedback-migration = module.feedback_tagger.migration_policy_json
  }
}

output "task_environments" {
  description = "The environment of each task, by short name."
  value = {
    ticket-agent       = module.ticket_agent.environment
    ticket-seed        = module.ticket_agent.seed_environment
    feedback-tagger    = module.feedback_tagger.environment
    feedback-migration = module.feedback_tagger.migration_environment
  }
}

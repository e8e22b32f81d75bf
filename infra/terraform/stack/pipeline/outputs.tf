output "repository_urls" {
  description = "Where images are pushed, by the service's short name."
  value       = { for name, pipeline in module.pipeline : name => pipeline.repository_url }
}

output "repository_arns" {
  description = "ARN of the repository by the service's short name."
  value       = { for name, pipeline in module.pipeline : name => pipeline.repository_arn }
}

output "pipeline_names" {
  description = "The pipeline that a push starts, by the service's short name."
  value       = { for name, pipeline in module.pipeline : name => pipeline.pipeline_name }
}

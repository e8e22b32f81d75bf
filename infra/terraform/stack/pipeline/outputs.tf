output "pipeline_names" {
  description = "The pipeline that a push starts, by the service's short name."
  value       = { for name, pipeline in module.pipeline : name => pipeline.pipeline_name }
}

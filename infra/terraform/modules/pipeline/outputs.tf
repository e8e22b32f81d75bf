output "pipeline_name" {
  description = "The pipeline that a push starts."
  value       = aws_codepipeline.this.name
}

output "deploy_policy_json" {
  description = "What the deploy script may do."
  value       = data.aws_iam_policy_document.deploy.json
}

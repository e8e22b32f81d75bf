output "repository_url" {
  description = "Where images are pushed."
  value       = aws_ecr_repository.this.repository_url
}

output "repository_arn" {
  description = "ARN of the repository."
  value       = aws_ecr_repository.this.arn
}

output "pipeline_name" {
  description = "The pipeline that a push starts."
  value       = aws_codepipeline.this.name
}

output "deploy_policy_json" {
  description = "What the deploy script may do."
  value       = data.aws_iam_policy_document.deploy.json
}

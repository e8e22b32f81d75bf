output "policy_json" {
  description = "Policy that lets a role ask the model and nothing else."
  value       = data.aws_iam_policy_document.invoke.json
}

output "arn" {
  description = "ARN of the model or profile that requests name."
  value       = local.own_arn
}

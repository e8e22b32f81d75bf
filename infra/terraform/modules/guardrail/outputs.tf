output "id" {
  description = "Id of the guardrail."
  value       = aws_bedrock_guardrail.this.guardrail_id
}

output "version" {
  description = "The version in use."
  value       = aws_bedrock_guardrail_version.this.version
}

output "arn" {
  description = "AGENTCORE_HARNESS_ARN, the resource of bedrock-agentcore:InvokeHarness."
  value       = aws_bedrockagentcore_harness.this.arn
}

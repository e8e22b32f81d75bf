output "agent_id" {
  description = "BEDROCK_AGENT_ID."
  value       = aws_bedrockagent_agent.this.agent_id
}

output "alias_id" {
  description = "BEDROCK_AGENT_ALIAS_ID."
  value       = aws_bedrockagent_agent_alias.live.agent_alias_id
}

output "alias_arn" {
  description = "Resource of bedrock:InvokeAgent."
  value       = aws_bedrockagent_agent_alias.live.agent_alias_arn
}

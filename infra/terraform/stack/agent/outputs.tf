output "bedrock_agent" {
  description = "The agent and its alias; null without."
  value = one([
    for agent in module.bedrock_agent : { agent_id = agent.agent_id, alias_id = agent.alias_id, alias_arn = agent.alias_arn }
  ])
}

output "harness_arn" {
  description = "The harness; null without."
  value       = one(module.harness[*].arn)
}

output "knowledge_base" {
  description = "The knowledge base; null without."
  value       = one([for base in module.knowledge_base : { id = base.id, arn = base.arn }])
}

output "ingestion_command" {
  description = "Reads the policy documents into the knowledge base; null without."
  value       = one(module.knowledge_base[*].ingestion_command)
}

output "id" {
  description = "KNOWLEDGE_BASE_ID."
  value       = aws_bedrockagent_knowledge_base.this.id
}

output "arn" {
  description = "Resource of bedrock:Retrieve."
  value       = aws_bedrockagent_knowledge_base.this.arn
}

output "ingestion_command" {
  description = "Reads the documents in; once after the first apply, and after each change of a document."
  value       = "aws bedrock-agent start-ingestion-job --knowledge-base-id ${aws_bedrockagent_knowledge_base.this.id} --data-source-id ${aws_bedrockagent_data_source.documents.data_source_id}"
}

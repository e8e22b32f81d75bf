output "data_key_arn" {
  description = "Key of what lies still: tables, bucket, database, secrets, log groups, images."
  value       = module.data.arn
}

output "messages_key_arn" {
  description = "Key of what travels: queues and topics. S3, SNS, EventBridge, CloudWatch, Budgets and RDS events may use it to deliver."
  value       = module.messages.arn
}

output "table_names" {
  description = "Table name by short name: User, Environment, ResolverGroup, UserAccess, Ticket, Ledger, Lease, Idempotency."
  value       = { for name, table in module.table : name => table.name }
}

output "table_arns" {
  description = "Table ARN by short name; an index is ARN/index/NAME, a stream has an ARN of its own."
  value       = { for name, table in module.table : name => table.arn }
}

output "ticket_stream_arn" {
  description = "Stream of the Ticket table, new and old images."
  value       = module.table["Ticket"].stream_arn
}

output "ticket_agenda_index_arn" {
  description = "Index of the Ticket table that the sweeper queries."
  value       = "${module.table["Ticket"].arn}/index/agenda"
}

output "bucket_name" {
  description = "The bucket; uploads/ is watched, runs/ and rejects/ are written by the tagger."
  value       = module.bucket.name
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = module.bucket.arn
}

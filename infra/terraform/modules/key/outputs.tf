output "arn" {
  description = "ARN of the key, known to be usable: its policy is part of it."
  value       = aws_kms_key.this.arn
}

output "alias" {
  description = "Alias of the key, for people."
  value       = aws_kms_alias.this.name
}

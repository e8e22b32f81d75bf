output "arn" {
  description = "ARN of the work queue, whose policy stands: S3 refuses to notify a queue that does not let it."
  value       = aws_sqs_queue.work.arn
  depends_on  = [aws_sqs_queue_policy.work]
}

output "url" {
  description = "URL of the work queue."
  value       = aws_sqs_queue.work.url
}

output "name" {
  description = "Full name of the work queue, with .fifo."
  value       = aws_sqs_queue.work.name
}

output "dead_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.arn
}

output "dead_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "dead_name" {
  description = "Full name of the dead-letter queue, with .fifo."
  value       = aws_sqs_queue.dead_letter.name
}

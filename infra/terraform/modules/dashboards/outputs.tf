output "dashboard_arn" {
  description = "The dashboard."
  value       = aws_quicksight_dashboard.feedback.arn
}

output "dashboard_id" {
  description = "Its id, the last part of its address in the console."
  value       = aws_quicksight_dashboard.feedback.dashboard_id
}

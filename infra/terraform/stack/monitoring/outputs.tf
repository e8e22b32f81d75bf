output "alerts_topic_arn" {
  description = "Topic of the alarms."
  value       = module.alerts.arn
}

output "dashboard_name" {
  description = "The CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "alarm_names" {
  description = "Every alarm that tells somebody."
  value = concat(
    [for alarm in aws_cloudwatch_metric_alarm.alarm : alarm.alarm_name],
    [aws_cloudwatch_metric_alarm.tagger_asleep.alarm_name, aws_cloudwatch_composite_alarm.crashes.alarm_name],
  )
}

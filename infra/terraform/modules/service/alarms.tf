locals {
  crash_metric = "Crashes.${var.name}"
}

# What a process says when its own code gave up: none of these lines comes from AWS, a queue or a database being away.
resource "aws_cloudwatch_log_metric_filter" "crashes" {
  name           = "crashes"
  log_group_name = module.task.log_group_name
  pattern        = "?LoopCrashed ?BadSettings ?BadPolicy ?\"Traceback (most recent call last)\""

  metric_transformation {
    namespace     = var.metric_namespace
    name          = local.crash_metric
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "crashes" {
  alarm_name          = "${var.name}-crashes"
  alarm_description   = "Tasks of ${var.name} end by themselves: the build or its settings are bad. A deployment that is under way is rolled back by it. docs/runbook.md#crashes"
  namespace           = var.metric_namespace
  metric_name         = local.crash_metric
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 2
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  # No log line means no task, and no task cannot crash.
  treat_missing_data = "notBreaching"
}

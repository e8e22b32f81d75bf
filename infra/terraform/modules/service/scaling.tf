# Tasks follow the backlog: messages that wait and messages in flight, so that "none" means that all work is done; unless
# some of it waits in no queue. That the tasks tell by a metric of their own, which keeps the last of them and wakes none.
# One step a task, to an exact number: that works from zero too, where a ratio to the running tasks has no meaning.

locals {
  backlog_metrics = {
    for pair in setproduct(range(length(var.queue_names)), ["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"]) :
    "m${pair[0]}${pair[1] == "ApproximateNumberOfMessagesVisible" ? "waiting" : "inflight"}" => {
      namespace  = "AWS/SQS"
      name       = pair[1]
      dimensions = { QueueName = var.queue_names[pair[0]] }
    }
  }

  other_metrics = var.work_metric == null ? {} : {
    mwork = var.work_metric
  }

  work_metrics = merge(local.backlog_metrics, local.other_metrics)
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.this.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.minimum_tasks
  max_capacity       = var.maximum_tasks

  # Before the first image every start would fail. The first deployment takes this off, and an apply leaves it off.
  suspended_state {
    dynamic_scaling_in_suspended  = true
    dynamic_scaling_out_suspended = true
    scheduled_scaling_suspended   = true
  }

  lifecycle {
    ignore_changes = [suspended_state]
  }
}

resource "aws_appautoscaling_policy" "backlog" {
  name               = "${var.name}-backlog"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension

  step_scaling_policy_configuration {
    adjustment_type         = "ExactCapacity"
    metric_aggregation_type = "Maximum"
    # Holds back going down alone: more work is answered at once, less of it after five minutes.
    cooldown = 300

    dynamic "step_adjustment" {
      for_each = range(var.maximum_tasks)

      content {
        # Bounds count from the alarm's threshold.
        metric_interval_lower_bound = tostring(step_adjustment.value * var.backlog_per_task)
        metric_interval_upper_bound = step_adjustment.value + 1 == var.maximum_tasks ? null : tostring((step_adjustment.value + 1) * var.backlog_per_task)
        scaling_adjustment          = max(step_adjustment.value + 1, var.minimum_tasks)
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "backlog" {
  alarm_name          = "${var.name}-backlog"
  alarm_description   = "Drives scaling, tells nobody: ${var.name} has work, and gets a task for every ${var.backlog_per_task} messages. docs/runbook.md#backlog"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.backlog.arn]

  metric_query {
    id          = "backlog"
    expression  = "SUM(METRICS(\"m\"))"
    label       = "messages waiting and in flight"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.backlog_metrics

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = 60
        stat        = "Maximum"
      }
    }
  }
}

resource "aws_appautoscaling_policy" "idle" {
  name               = "${var.name}-idle"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension

  step_scaling_policy_configuration {
    adjustment_type         = "ExactCapacity"
    metric_aggregation_type = "Maximum"
    cooldown                = 300

    step_adjustment {
      metric_interval_upper_bound = "0"
      scaling_adjustment          = var.minimum_tasks
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "idle" {
  alarm_name          = "${var.name}-idle"
  alarm_description   = "Drives scaling, tells nobody: ${var.name} has had no work for ${var.idle_minutes} minutes and goes back to ${var.minimum_tasks} tasks. docs/runbook.md#backlog"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = var.idle_minutes
  # SQS stops reporting on queues that nobody has used for six hours: that is as idle as can be.
  treat_missing_data = "breaching"
  alarm_actions      = [aws_appautoscaling_policy.idle.arn]

  metric_query {
    id          = "work"
    expression  = "SUM(METRICS(\"m\"))"
    label       = "messages waiting and in flight, and other open work"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.work_metrics

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = 60
        stat        = "Maximum"
      }
    }
  }
}

# A service that sleeps gets one task for ten minutes every four hours. It closes what may have been left open, and its
# receives keep the queues' metrics alive: after six silent hours the first message would show only 15 minutes later.
resource "aws_appautoscaling_scheduled_action" "look_around" {
  for_each = var.minimum_tasks > 0 ? {} : {
    begin = { minute = 0, minimum = 1 }
    end   = { minute = 10, minimum = 0 }
  }

  name               = "${var.name}-look-around-${each.key}"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  schedule           = "cron(${each.value.minute} 0/4 * * ? *)"

  scalable_target_action {
    min_capacity = each.value.minimum
    max_capacity = var.maximum_tasks
  }
}

# Every alarm says what it means and where the runbook goes on. Those that ring by themselves when it is over say so by
# an OK message too.

locals {
  # Short name => what is looked at and when it rings. Statistics: Maximum of a level, Sum of a count.
  alarms = merge(
    {
      for name, queue in var.dead_queue_names : "dead-letters-${name}" => {
        description = "Messages of ${name} were given up and wait among the dead letters, each with its reason. docs/runbook.md#dead-letters"
        namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = queue }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
    },
    {
      for name, queue in var.queue_names : "oldest-message-${name}" => {
        description = "The oldest message of ${name} has waited for ${lookup(var.oldest_message_minutes, name, 60)} minutes: nobody takes it, or more comes than is done. docs/runbook.md#oldest-message"
        namespace   = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = queue }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 60 * lookup(var.oldest_message_minutes, name, 60), minutes = 5, of = 5, missing = "notBreaching"
      }
    },
    {
      for pair in setproduct(keys(var.table_names), ["Read", "Write"]) : "table-throttled-${pair[0]}-${lower(pair[1])}" => {
        description = "DynamoDB turned away ${lower(pair[1])}s of ${var.table_names[pair[0]]}: one key is too hot, or the table grew faster than on-demand doubles. The services try again. docs/runbook.md#table-throttled"
        namespace   = "AWS/DynamoDB", metric = "${pair[1]}ThrottleEvents", dimensions = { TableName = var.table_names[pair[0]] }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 10, minutes = 3, of = 5, missing = "notBreaching"
      }
    },
    {
      for purpose, model in var.model_ids : "model-throttled-${purpose}" => {
        description = "Bedrock turned away calls to ${model}: the quota is smaller than was believed, or somebody else uses it. docs/runbook.md#model-throttled"
        namespace   = "AWS/Bedrock", metric = "InvocationThrottles", dimensions = { ModelId = model }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 20, minutes = 3, of = 5, missing = "notBreaching"
      }
    },
    {
      for purpose, model in var.model_ids : "model-errors-${purpose}" => {
        description = "Bedrock failed on calls to ${model}. Work waits and goes on by itself when this is over. docs/runbook.md#model-errors"
        namespace   = "AWS/Bedrock", metric = "InvocationServerErrors", dimensions = { ModelId = model }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 10, minutes = 3, of = 5, missing = "notBreaching"
      }
    },
    {
      stream-late = {
        description = "Changes of tickets are read from the table's stream more than five minutes late. Records live 24 hours. docs/runbook.md#stream-late"
        namespace   = local.metric_namespace, metric = "IteratorAge", dimensions = local.ticket_metrics
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 300, minutes = 5, of = 5, missing = "notBreaching"
      }
      records-lost = {
        description = "Records of the Ticket table's stream were gone before they were read; the sweeper finds their tickets by the table. docs/runbook.md#records-lost"
        namespace   = local.metric_namespace, metric = "RecordsLost", dimensions = local.ticket_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      poison-record = {
        description = "A change of a ticket could not be passed on and was set aside. docs/runbook.md#poison-record"
        namespace   = local.metric_namespace, metric = "PoisonRecords", dimensions = local.ticket_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      model-refused = {
        description = "The model refuses the ticket agent's requests for good: no such model, its end of life, or requests that it cannot take. Tickets go to people. docs/runbook.md#model-refused"
        namespace   = local.metric_namespace, metric = "ModelRefused", dimensions = local.ticket_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 2, minutes = 1, of = 1, missing = "notBreaching"
      }
      ticket-day-budget = {
        description = "The tokens that tickets may use today are spent: people get the tickets until midnight UTC. docs/runbook.md#ticket-day-budget"
        namespace   = local.metric_namespace, metric = "TicketDayBudgetSpent", dimensions = local.ticket_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      chunks-dead = {
        description = "Rows of a feedback file were given up; they are listed among its rejects. docs/runbook.md#chunks-dead"
        namespace   = local.metric_namespace, metric = "ChunksDead", dimensions = local.feedback_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      runs-failed = {
        description = "A feedback file ended as failed: more than a fifth of its rows got no label. docs/runbook.md#runs-failed"
        namespace   = local.metric_namespace, metric = "RunsFailed", dimensions = local.feedback_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      runs-given-up = {
        description = "A feedback file stood still for a day and was ended short; its result says how many rows are missing. docs/runbook.md#runs-given-up"
        namespace   = local.metric_namespace, metric = "RunsGivenUp", dimensions = local.feedback_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      feedback-day-budget = {
        description = "The dollars that feedback may cost today are spent: rows wait until midnight UTC, or until somebody raises feedback_usd_per_day. docs/runbook.md#feedback-day-budget"
        namespace   = local.metric_namespace, metric = "WaitingForBudget", dimensions = local.feedback_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      migration-stopped = {
        description = "A migration of the database stopped half-way; tasks of the new build do not start. docs/runbook.md#migration-stopped"
        namespace   = local.metric_namespace, metric = "MigrationsStopped", dimensions = local.feedback_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      counts-do-not-add-up = {
        description = "Rows of a feedback file are neither stored nor rejected: a defect of ours, and the one thing that must not happen. docs/runbook.md#counts-do-not-add-up"
        namespace   = local.metric_namespace, metric = "CountsDoNotAddUp", dimensions = local.feedback_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, of = 1, missing = "notBreaching"
      }
      database-away = {
        description = "The feedback tagger cannot reach its database. Work waits. docs/runbook.md#database-away"
        namespace   = local.metric_namespace, metric = "DatabaseAway", dimensions = local.feedback_metrics
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 5, of = 5, missing = "notBreaching"
      }
      ticket-agent-gone = {
        description = "No task of the ticket agent has run for ten minutes: tickets wait, and the stream's records live 24 hours. docs/runbook.md#ticket-agent-gone"
        namespace   = "AWS/ECS", metric = "CPUUtilization", dimensions = { ClusterName = var.cluster_name, ServiceName = var.ticket_agent.service_name }
        # A service without tasks reports nothing at all.
        statistic = "SampleCount", comparison = "LessThanThreshold", threshold = 1, minutes = 10, of = 10, missing = "breaching"
      }
      ticket-agent-memory = {
        description = "A task of the ticket agent uses 90% of its memory; at 100% it is killed. docs/runbook.md#memory"
        namespace   = "AWS/ECS", metric = "MemoryUtilization", dimensions = { ClusterName = var.cluster_name, ServiceName = var.ticket_agent.service_name }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 90, minutes = 5, of = 5, missing = "notBreaching"
      }
      feedback-tagger-memory = {
        description = "A task of the feedback tagger uses 90% of its memory; at 100% it is killed. docs/runbook.md#memory"
        namespace   = "AWS/ECS", metric = "MemoryUtilization", dimensions = { ClusterName = var.cluster_name, ServiceName = var.feedback_tagger.service_name }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 90, minutes = 5, of = 5, missing = "notBreaching"
      }
      database-cpu = {
        description = "The database has used 90% of its processor for fifteen minutes. docs/runbook.md#database-load"
        namespace   = "AWS/RDS", metric = "CPUUtilization", dimensions = { DBInstanceIdentifier = var.database.identifier }
        statistic   = "Average", comparison = "GreaterThanThreshold", threshold = 90, minutes = 15, of = 15, missing = "notBreaching"
      }
      database-storage = {
        description = "Less than a tenth of the database's first storage is free; it grows by itself, but not for ever and not twice in six hours. docs/runbook.md#database-storage"
        namespace   = "AWS/RDS", metric = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = var.database.identifier }
        statistic   = "Minimum", comparison = "LessThanThreshold", threshold = var.database.allocated_storage_gib * 1073741824 / 10, minutes = 5, of = 5, missing = "notBreaching"
      }
      database-connections = {
        description = "Four fifths of the database's connections are taken; without a free one tasks wait. docs/runbook.md#database-load"
        namespace   = "AWS/RDS", metric = "DatabaseConnections", dimensions = { DBInstanceIdentifier = var.database.identifier }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = floor(var.database.maximum_connections * 0.8), minutes = 5, of = 5, missing = "notBreaching"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.of
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = each.value.missing
  alarm_actions       = [module.alerts.arn]
  ok_actions          = [module.alerts.arn]
}

# Work waits and nobody runs: the tagger did not wake. One alarm on two metrics, as either alone is an ordinary sight.
resource "aws_cloudwatch_metric_alarm" "tagger_asleep" {
  alarm_name          = "${var.name}-feedback-tagger-asleep"
  alarm_description   = "Feedback has waited for fifteen minutes and no task of the feedback tagger runs. docs/runbook.md#feedback-tagger-asleep"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 15
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.alerts.arn]
  ok_actions          = [module.alerts.arn]

  metric_query {
    id          = "waiting"
    expression  = "IF(FILL(running, 0) > 0, 0, SUM(METRICS(\"queue\")))"
    label       = "messages that wait while no task runs"
    return_data = true
  }

  metric_query {
    id = "running"

    metric {
      namespace   = "AWS/ECS"
      metric_name = "CPUUtilization"
      dimensions  = { ClusterName = var.cluster_name, ServiceName = var.feedback_tagger.service_name }
      period      = 60
      stat        = "SampleCount"
    }
  }

  dynamic "metric_query" {
    for_each = { for name, queue in var.queue_names : "queue${replace(name, "-", "")}" => queue if startswith(name, "feedback-") }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/SQS"
        metric_name = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = metric_query.value }
        period      = 60
        stat        = "Maximum"
      }
    }
  }
}

# The services' crash alarms belong to their deployments, which must not depend on a topic; this tells of them.
resource "aws_cloudwatch_composite_alarm" "crashes" {
  alarm_name        = "${var.name}-crashes"
  alarm_description = "Tasks end by themselves: a build or its settings are bad. docs/runbook.md#crashes"
  alarm_rule        = "ALARM(\"${var.ticket_agent.crash_alarm_name}\") OR ALARM(\"${var.feedback_tagger.crash_alarm_name}\")"
  alarm_actions     = [module.alerts.arn]
  ok_actions        = [module.alerts.arn]
}

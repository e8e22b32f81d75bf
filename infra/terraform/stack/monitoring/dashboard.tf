# One page: is work coming in, is it done, what does it cost.

locals {
  region = data.aws_region.current.region

  widgets = [
    {
      title = "Waiting messages", stat = "Maximum"
      metrics = [
        for name, queue in var.queue_names : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { label = name }]
      ]
    },
    {
      title = "Oldest message, seconds", stat = "Maximum"
      metrics = [
        for name, queue in var.queue_names : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue, { label = name }]
      ]
    },
    {
      title = "Dead letters", stat = "Maximum"
      metrics = [
        for name, queue in var.dead_queue_names : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { label = name }]
      ]
    },
    {
      title = "Tickets", stat = "Sum"
      metrics = [
        concat([local.metric_namespace, "TicketsEnded"], local.of_tickets, [{ label = "ended by the agent" }]),
        concat([local.metric_namespace, "TicketsHandedOver"], local.of_tickets, [{ label = "handed over before a dead letter" }]),
        concat([local.metric_namespace, "DecisionsSettled"], local.of_tickets, [{ label = "decided by people" }]),
      ]
    },
    {
      title = "Run of a ticket, milliseconds", stat = "p90"
      metrics = [
        concat([local.metric_namespace, "TicketMilliseconds"], local.of_tickets, [{ label = "p90" }]),
        concat([local.metric_namespace, "TicketMilliseconds"], local.of_tickets, [{ label = "median", stat = "p50" }]),
      ]
    },
    {
      title   = "Age of the stream's records when they are passed on, seconds", stat = "Maximum"
      metrics = [concat([local.metric_namespace, "IteratorAge"], local.of_tickets, [{ label = "oldest" }])]
    },
    {
      title = "Feedback rows", stat = "Sum"
      metrics = [
        concat([local.metric_namespace, "RowsHandled"], local.of_feedback, [{ label = "of files, done" }]),
        concat([local.metric_namespace, "RowsRejected"], local.of_feedback, [{ label = "rejected" }]),
        concat([local.metric_namespace, "RowsFailed"], local.of_feedback, [{ label = "without a label" }]),
        concat([local.metric_namespace, "SinglesStored"], local.of_feedback, [{ label = "sent alone, stored" }]),
      ]
    },
    {
      title = "Feedback files under way", stat = "Maximum"
      metrics = [
        concat([local.metric_namespace, "RunsOpen"], local.of_feedback, [{ label = "runs" }]),
        concat([local.metric_namespace, "WaitingForBudget"], local.of_feedback, [{ label = "waiting for the day's budget", stat = "Sum" }]),
      ]
    },
    {
      title = "From sending a row to storing it, seconds", stat = "p90"
      metrics = [
        concat([local.metric_namespace, "SingleSeconds"], local.of_feedback, [{ label = "p90" }]),
        concat([local.metric_namespace, "SingleSeconds"], local.of_feedback, [{ label = "median", stat = "p50" }]),
      ]
    },
    {
      title   = "Dollars that feedback's models cost, by the price file", stat = "Sum"
      metrics = [concat([local.metric_namespace, "ModelDollars"], local.of_feedback, [{ label = "dollars" }])]
    },
    {
      title = "Model calls", stat = "Sum"
      metrics = concat(
        [for purpose, model in var.model_ids : ["AWS/Bedrock", "Invocations", "ModelId", model, { label = purpose }]],
        [for purpose, model in var.model_ids : ["AWS/Bedrock", "InvocationThrottles", "ModelId", model, { label = "${purpose}, turned away" }]],
      )
    },
    {
      title = "Tokens", stat = "Sum"
      metrics = concat(
        [for purpose, model in var.model_ids : ["AWS/Bedrock", "InputTokenCount", "ModelId", model, { label = "${purpose}, in" }]],
        [for purpose, model in var.model_ids : ["AWS/Bedrock", "OutputTokenCount", "ModelId", model, { label = "${purpose}, out" }]],
      )
    },
    {
      title = "Memory of the tasks, percent", stat = "Maximum"
      metrics = [
        for service in [var.ticket_agent.service_name, var.feedback_tagger.service_name] :
        ["AWS/ECS", "MemoryUtilization", "ClusterName", var.cluster_name, "ServiceName", service, { label = service }]
      ]
    },
    {
      title = "Processor of the tasks, percent", stat = "Maximum"
      metrics = [
        for service in [var.ticket_agent.service_name, var.feedback_tagger.service_name] :
        ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster_name, "ServiceName", service, { label = service }]
      ]
    },
    {
      title = "Database", stat = "Average"
      metrics = [
        ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.database.identifier, { label = "processor, percent" }],
        ["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", var.database.identifier, { label = "connections" }],
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for place, widget in local.widgets : {
        type   = "metric"
        x      = 8 * (place % 3)
        y      = 6 * floor(place / 3)
        width  = 8
        height = 6
        properties = {
          title   = widget.title
          region  = local.region
          stat    = widget.stat
          period  = 60
          view    = "timeSeries"
          metrics = widget.metrics
        }
      }
    ]
  })
}

data "aws_region" "current" {}

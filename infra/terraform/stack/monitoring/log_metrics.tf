# What only our own log lines tell. Each pattern names an event of the code; tests/infra looks it up there.

locals {
  log_metrics = {
    IteratorAge = {
      log_group = var.ticket_agent.log_group_name
      pattern   = "{ $.event = \"delivered\" }"
      value     = "$.age"
      unit      = "Seconds"
    }
    TicketsEnded = {
      log_group = var.ticket_agent.log_group_name
      pattern   = "{ $.event = \"ticket_ended\" }"
      value     = "1"
      unit      = "Count"
    }
    TicketSeconds = {
      log_group = var.ticket_agent.log_group_name
      pattern   = "{ $.event = \"ticket_ended\" }"
      value     = "$.run_ms"
      unit      = "Milliseconds"
    }
    TicketsHandedOver = {
      log_group = var.ticket_agent.log_group_name
      pattern   = "{ $.event = \"ticket_handed_over_before_dead_letter\" }"
      value     = "1"
      unit      = "Count"
    }
    TicketDayBudgetSpent = {
      log_group = var.ticket_agent.log_group_name
      pattern   = "{ $.event = \"day_budget_spent\" }"
      value     = "1"
      unit      = "Count"
    }
    ModelRefused = {
      log_group = var.ticket_agent.log_group_name
      pattern   = "{ $.event = \"model_refused\" }"
      value     = "1"
      unit      = "Count"
    }
    PoisonRecords = {
      log_group = var.ticket_agent.log_group_name
      pattern   = "{ $.event = \"poison_record\" }"
      value     = "1"
      unit      = "Count"
    }
    RecordsLost = {
      log_group = var.ticket_agent.log_group_name
      pattern   = "{ $.event = \"records_trimmed\" }"
      value     = "1"
      unit      = "Count"
    }
    RowsLabelled = {
      log_group = var.feedback_tagger.log_group_name
      pattern   = "{ $.event = \"chunk\" }"
      value     = "$.rows"
      unit      = "Count"
    }
    ChunksDead = {
      log_group = var.feedback_tagger.log_group_name
      pattern   = "{ $.event = \"chunk_dead\" }"
      value     = "1"
      unit      = "Count"
    }
    RunsFailed = {
      log_group = var.feedback_tagger.log_group_name
      pattern   = "{ $.event = \"run\" && $.status = \"failed\" }"
      value     = "1"
      unit      = "Count"
    }
    CountsDoNotAddUp = {
      log_group = var.feedback_tagger.log_group_name
      pattern   = "{ $.event = \"counts_do_not_add_up\" }"
      value     = "1"
      unit      = "Count"
    }
    DatabaseAway = {
      log_group = var.feedback_tagger.log_group_name
      pattern   = "{ $.event = \"database_away\" }"
      value     = "1"
      unit      = "Count"
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "event" {
  for_each = local.log_metrics

  name           = each.key
  log_group_name = each.value.log_group
  pattern        = each.value.pattern

  metric_transformation {
    namespace = var.metric_namespace
    name      = each.key
    value     = each.value.value
    unit      = each.value.unit
  }
}

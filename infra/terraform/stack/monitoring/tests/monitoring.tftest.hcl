mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name             = "desk-eu"
  alert_email      = "alerts@example.com"
  key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/1"
  queue_names      = { ticket-work = "desk-eu-ticket-work.fifo", feedback-files = "desk-eu-feedback-files" }
  dead_queue_names = { ticket-work = "desk-eu-ticket-work-dead.fifo", feedback-files = "desk-eu-feedback-files-dead" }
  table_names      = { Ticket = "desk-eu-Ticket" }
  cluster_name     = "desk-eu"
  ticket_agent     = { service_name = "desk-eu-ticket-agent", crash_alarm_name = "desk-eu-ticket-agent-crashes" }
  feedback_tagger  = { service_name = "desk-eu-feedback-tagger", crash_alarm_name = "desk-eu-feedback-tagger-crashes" }
  database         = { identifier = "desk-eu", allocated_storage_gib = 20, maximum_connections = 150 }
  model_ids        = { tickets = "amazon.nova-lite-v1:0" }
}

run "our_own_metrics_are_this_installations" {
  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.alarm : alarm.dimensions["deployment"] == "desk-eu" && contains(["ticket_agent", "feedback_tagger"], alarm.dimensions["service"])
      if alarm.namespace == "Deskhand"
    ])
    error_message = "An alarm would ring for another installation in the account, or for none."
  }
  assert {
    condition     = length([for alarm in aws_cloudwatch_metric_alarm.alarm : alarm if alarm.namespace == "Deskhand"]) >= 10
    error_message = "What only our own log tells would ring nobody."
  }
}

run "the_core_does_not_take_cost_explorer" {
  assert {
    condition     = length(aws_ce_anomaly_monitor.installation) == 0 && length(aws_ce_anomaly_subscription.installation) == 0
    error_message = "The first apply in an empty account, or in one that another pays for, would fail."
  }
}

run "every_dead_letter_rings" {
  assert {
    condition     = alltrue([for name, queue in var.dead_queue_names : aws_cloudwatch_metric_alarm.alarm["dead-letters-${name}"].dimensions["QueueName"] == queue && aws_cloudwatch_metric_alarm.alarm["dead-letters-${name}"].threshold == 0])
    error_message = "Messages could be given up unseen."
  }
}

run "whoever_was_told_of_trouble_is_told_of_its_end" {
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.alarm : length(alarm.alarm_actions) == 1 && alarm.alarm_actions == alarm.ok_actions])
    error_message = "An alarm would ring unheard, or for ever."
  }
}

run "a_service_that_says_nothing_is_gone" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["ticket-agent-gone"].treat_missing_data == "breaching"
    error_message = "A service without tasks reports nothing, and nobody would hear of it."
  }
}

run "the_dashboard_fits_its_grid" {
  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.x + widget.width <= 24])
    error_message = "CloudWatch would refuse the dashboard."
  }
}

run "an_address_that_is_none_is_refused" {
  command = plan
  variables {
    alert_email = "nobody"
  }
  expect_failures = [var.alert_email]
}

# What the services' log lines carry as metrics: docs/metrics.md lists them. tests/infra looks each one up in the code.

locals {
  # shared/metrics.py has both. Another installation in the account has other dimensions, and the same namespace.
  metric_namespace = "Deskhand"
  ticket_metrics   = { deployment = var.name, service = "ticket_agent" }
  feedback_metrics = { deployment = var.name, service = "feedback_tagger" }

  # The dimensions as a dashboard writes them: name, value, name, value.
  of_tickets  = ["deployment", var.name, "service", "ticket_agent"]
  of_feedback = ["deployment", var.name, "service", "feedback_tagger"]
}

# What it costs. All follow the tag `name` that the provider puts on everything; the tag must be
# activated once for cost allocation (docs/deploy.md).

resource "aws_budgets_budget" "month" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd_per_month)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:name$%s", var.name)]
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    notification_type          = "ACTUAL"
    threshold                  = 80
    threshold_type             = "PERCENTAGE"
    subscriber_email_addresses = [var.alert_email]
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    notification_type          = "FORECASTED"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    subscriber_email_addresses = [var.alert_email]
  }
}

# With anomaly_usd only: AWS refuses it where nobody has opened Cost Explorer yet, and in an account that is not the one
# that pays, whose tags it cannot see. The core must not depend on either.
resource "aws_ce_anomaly_monitor" "installation" {
  count = var.anomaly_usd == null ? 0 : 1

  name         = var.name
  monitor_type = "CUSTOM"

  monitor_specification = jsonencode({
    And            = null
    CostCategories = null
    Dimensions     = null
    Not            = null
    Or             = null
    Tags           = { Key = "name", MatchOptions = null, Values = [var.name] }
  })
}

resource "aws_ce_anomaly_subscription" "installation" {
  count = var.anomaly_usd == null ? 0 : 1

  name             = var.name
  frequency        = "DAILY"
  monitor_arn_list = [aws_ce_anomaly_monitor.installation[0].arn]

  subscriber {
    type    = "EMAIL"
    address = var.alert_email
  }

  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [tostring(var.anomaly_usd)]
    }
  }
}

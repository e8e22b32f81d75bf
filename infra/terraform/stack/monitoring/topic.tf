# Where alarms go.
module "alerts" {
  source = "../../modules/notifications"

  name                = "${var.name}-alerts"
  display_name        = "Deskhand ${var.name}"
  key_arn             = var.key_arn
  emails              = { (var.alert_email) = {} }
  publishing_services = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/deskhand/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  own = "${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:${var.name}-*"

  to_queues = { context_key = "aws:sqs:arn", arn_pattern = "arn:${data.aws_partition.current.partition}:sqs:${local.own}" }
  to_topics = { context_key = "aws:sns:topicArn", arn_pattern = "arn:${data.aws_partition.current.partition}:sns:${local.own}" }

  deletion_window_days = var.protect ? 30 : 7

  senders = {
    "s3.amazonaws.com"         = local.to_queues
    "sns.amazonaws.com"        = local.to_queues
    "budgets.amazonaws.com"    = local.to_topics
    "cloudwatch.amazonaws.com" = local.to_topics
    "events.amazonaws.com"     = local.to_topics
    "events.rds.amazonaws.com" = local.to_topics
  }
}

module "data" {
  source = "../../modules/key"

  name                 = "${var.name}-data"
  description          = "${var.name}: tables, bucket, database, secrets, log groups, images"
  deletion_window_days = local.deletion_window_days
  # ECS, RDS, CodeBuild and VPC name their log groups each in their own way, with our name in them.
  log_group_pattern = "*${var.name}*"
}

module "messages" {
  source = "../../modules/key"

  name                 = "${var.name}-messages"
  description          = "${var.name}: queues and topics"
  deletion_window_days = local.deletion_window_days
  senders              = local.senders
}

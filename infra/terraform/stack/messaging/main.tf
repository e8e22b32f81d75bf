locals {
  # Short name => what is special about it. local/provisioning.py makes the same for the embedded cloud.
  queues = {
    ticket-intake    = {}
    ticket-decisions = {}
    ticket-work      = { fifo = true }
    ticket-updates   = { fifo = true }
    feedback-files   = { sender = "bucket" }
    feedback-chunks  = {}
    feedback-items   = {}
    ticket-outcomes  = { sender = "ticket-updates" }
  }

  senders = {
    bucket         = { uploads = { principal = "s3.amazonaws.com", source_arns = [var.bucket_arn] } }
    ticket-updates = { tickets = { principal = "sns.amazonaws.com", source_arns = [local.topic_arns["ticket-updates"]] } }
  }

  # Not the resources' own: a topic's subscription needs the queue's policy, and that names the topic.
  topic_arns = { for name in ["ticket-updates", "run-results"] : name => join(":", [
    "arn", data.aws_partition.current.partition, "sns", data.aws_region.current.region,
    data.aws_caller_identity.current.account_id, "${var.name}-${name}",
  ]) }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

module "queue" {
  source   = "../../modules/queue"
  for_each = local.queues

  name                       = "${var.name}-${each.key}"
  fifo                       = lookup(each.value, "fifo", false)
  key_arn                    = var.key_arn
  visibility_timeout_seconds = var.visibility_timeout_seconds
  senders                    = lookup(local.senders, lookup(each.value, "sender", ""), {})
}

module "topic" {
  source = "../../modules/notifications"
  for_each = {
    ticket-updates = {
      display_name = "${var.name} tickets"
      emails       = var.ticket_update_emails
      queue_arns   = { ticket-outcomes = module.queue["ticket-outcomes"].arn, mailbox = aws_sqs_queue.mailbox.arn }
    }
    run-results = {
      display_name = "${var.name} feedback"
      emails       = { for address in var.run_result_emails : address => {} }
      queue_arns   = { mailbox = aws_sqs_queue.mailbox.arn }
    }
  }

  name         = "${var.name}-${each.key}"
  display_name = each.value.display_name
  key_arn      = var.key_arn
  emails       = each.value.emails
  queue_arns   = each.value.queue_arns
}

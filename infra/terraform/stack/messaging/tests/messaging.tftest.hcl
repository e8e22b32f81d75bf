mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                 = "deskhand"
  key_arn              = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  bucket_arn           = "arn:aws:s3:::deskhand-uploads-123456789012-eu-central-1"
  ticket_update_emails = { "desk@example.com" = { resolverGroup = ["service-desk"] } }
  run_result_emails    = ["analyst@example.com"]
}

run "every_queue_and_topic_is_there_by_its_name" {
  assert {
    condition = output.queue_names == {
      ticket-intake    = "deskhand-ticket-intake"
      ticket-decisions = "deskhand-ticket-decisions"
      ticket-work      = "deskhand-ticket-work.fifo"
      ticket-updates   = "deskhand-ticket-updates.fifo"
      feedback-files   = "deskhand-feedback-files"
      feedback-chunks  = "deskhand-feedback-chunks"
      feedback-items   = "deskhand-feedback-items"
      ticket-outcomes  = "deskhand-ticket-outcomes"
    }
    error_message = "The services are told these names."
  }

  assert {
    condition     = output.dead_queue_names["ticket-work"] == "deskhand-ticket-work-dead.fifo" && length(output.dead_queue_names) == 8
    error_message = "A dead-letter queue is missing."
  }

  assert {
    condition     = output.topic_names == { ticket-updates = "deskhand-ticket-updates", run-results = "deskhand-run-results" }
    error_message = "A topic is missing."
  }
}

run "only_the_bucket_and_the_ticket_topic_may_send_and_each_to_its_own_queue" {
  assert {
    condition = { for name, queue in local.queues : name => lookup(queue, "sender", null) if lookup(queue, "sender", null) != null } == {
      feedback-files  = "bucket"
      ticket-outcomes = "ticket-updates"
    }
    error_message = "A queue takes from a service that should not send to it."
  }

  assert {
    condition     = local.senders.bucket.uploads.source_arns == [var.bucket_arn] && local.senders.bucket.uploads.principal == "s3.amazonaws.com"
    error_message = "Another bucket could send work to the tagger, or ours could not."
  }

  assert {
    condition     = local.senders["ticket-updates"].tickets.source_arns == ["arn:aws:sns:eu-central-1:123456789012:deskhand-ticket-updates"]
    error_message = "Another topic could send, or ours could not."
  }
}

run "the_mailbox_takes_from_our_topics_alone_and_by_tls" {
  assert {
    condition = jsonencode(one([
      for statement in data.aws_iam_policy_document.mailbox.statement :
      { for condition in statement.condition : condition.variable => sort(tolist(condition.values)) } if statement.sid == "SentByTopics"
      ])) == jsonencode({
      "aws:SourceArn"     = ["arn:aws:sns:eu-central-1:123456789012:deskhand-run-results", "arn:aws:sns:eu-central-1:123456789012:deskhand-ticket-updates"]
      "aws:SourceAccount" = ["123456789012"]
    })
    error_message = "Whoever else may send could tell people anything in our name."
  }

  assert {
    condition     = anytrue([for statement in data.aws_iam_policy_document.mailbox.statement : statement.sid == "OnlyByTls" && statement.effect == "Deny"])
    error_message = "The mailbox takes requests without TLS."
  }

  assert {
    condition     = aws_sqs_queue.mailbox.kms_master_key_id == var.key_arn && aws_sqs_queue.mailbox.message_retention_seconds == 1209600
    error_message = "The mailbox is not encrypted with the given key, or forgets early."
  }
}

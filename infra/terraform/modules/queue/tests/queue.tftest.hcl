mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name    = "deskhand-feedback-files"
  key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "a_message_that_fails_goes_to_a_dead_letter_queue_of_its_own" {
  assert {
    condition     = jsondecode(aws_sqs_queue.work.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letter.arn
    error_message = "The work queue has no dead-letter queue: a message that always fails would be lost after four days."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.work.redrive_policy).maxReceiveCount == 50
    error_message = "Give-backs and Spot stops raise the receive count too; a lower limit dead-letters good messages."
  }

  assert {
    condition = (
      jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letter.redrive_allow_policy).redrivePermission == "byQueue" &&
      jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letter.redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.work.arn]
    )
    error_message = "Another queue could fill this dead-letter queue."
  }

  assert {
    condition     = aws_sqs_queue_redrive_allow_policy.dead_letter.queue_url == aws_sqs_queue.dead_letter.id
    error_message = "The permission is on the wrong queue."
  }

  assert {
    condition     = aws_sqs_queue.dead_letter.name == "deskhand-feedback-files-dead"
    error_message = "The dead-letter queue is found by its name."
  }
}

run "the_dead_letter_queue_outlives_the_work_queue" {
  assert {
    condition     = aws_sqs_queue.dead_letter.message_retention_seconds == 1209600
    error_message = "Dead letters must be kept for 14 days."
  }

  assert {
    condition     = aws_sqs_queue.work.message_retention_seconds == 345600
    error_message = "A message must wait for four days."
  }
}

run "receiving_waits_for_messages" {
  assert {
    condition     = aws_sqs_queue.work.receive_wait_time_seconds == 20
    error_message = "Short polls cost money and miss messages."
  }

  assert {
    condition     = aws_sqs_queue.work.visibility_timeout_seconds == 60
    error_message = "The services renew every 20 s and expect 60 s."
  }
}

run "both_queues_are_encrypted_with_our_key" {
  assert {
    condition     = aws_sqs_queue.work.kms_master_key_id == var.key_arn && aws_sqs_queue.dead_letter.kms_master_key_id == var.key_arn
    error_message = "A queue is not encrypted with the given key."
  }
}

run "nothing_goes_without_tls" {
  assert {
    condition = alltrue([
      for document in [data.aws_iam_policy_document.work, data.aws_iam_policy_document.dead_letter] :
      anytrue([
        for statement in document.statement :
        statement.effect == "Deny" && contains(statement.actions, "sqs:*") &&
        tolist(statement.condition)[0].variable == "aws:SecureTransport" && tolist(tolist(statement.condition)[0].values)[0] == "false"
      ])
    ])
    error_message = "A queue takes requests without TLS."
  }
}

run "nobody_else_may_send" {
  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.work.statement : statement.effect == "Deny"])
    error_message = "A queue without senders must allow nothing."
  }
}

run "a_sender_is_held_to_its_source_and_to_this_account" {
  variables {
    senders = { uploads = { principal = "s3.amazonaws.com", source_arns = ["arn:aws:s3:::deskhand-uploads"] } }
  }

  assert {
    condition = one([
      for statement in data.aws_iam_policy_document.work.statement : {
        principals = flatten([for principal in statement.principals : [for name in principal.identifiers : "${principal.type} ${name}"]])
        actions    = tolist(statement.actions)
        conditions = { for condition in statement.condition : condition.variable => tolist(condition.values) }
      } if statement.sid == "SentUploads"
      ]) == {
      principals = ["Service s3.amazonaws.com"]
      actions    = tolist(["sqs:SendMessage"])
      conditions = {
        "aws:SourceArn"     = tolist(["arn:aws:s3:::deskhand-uploads"])
        "aws:SourceAccount" = tolist(["123456789012"])
      }
    }
    error_message = "S3 may do more than tell this queue about that bucket."
  }
}

run "a_standard_queue_has_no_fifo_attributes" {
  command = plan

  assert {
    condition     = local.deduplication_scope == null && local.fifo_throughput_limit == null
    error_message = "SQS refuses FIFO attributes on a standard queue."
  }
}

run "a_fifo_queue_counts_its_limits_by_group" {
  variables {
    name = "deskhand-ticket-work"
    fifo = true
  }

  assert {
    condition     = aws_sqs_queue.work.name == "deskhand-ticket-work.fifo" && aws_sqs_queue.dead_letter.name == "deskhand-ticket-work-dead.fifo"
    error_message = "A FIFO queue's name ends in .fifo, and its dead letters need a FIFO queue too."
  }

  assert {
    condition     = aws_sqs_queue.work.fifo_queue && aws_sqs_queue.dead_letter.fifo_queue
    error_message = "Both must be FIFO; SQS refuses the pair otherwise."
  }

  assert {
    condition     = aws_sqs_queue.work.deduplication_scope == "messageGroup" && aws_sqs_queue.work.fifo_throughput_limit == "perMessageGroupId"
    error_message = "Without high throughput, all tickets together share 300 messages a second."
  }
}

run "a_receive_limit_that_a_deployment_reaches_is_refused" {
  command = plan

  variables {
    max_receive_count = 5
  }

  expect_failures = [var.max_receive_count]
}

run "a_retention_that_outlives_the_dead_letters_is_refused" {
  command = plan

  variables {
    retention_seconds = 1209600
  }

  expect_failures = [var.retention_seconds]
}

run "a_visibility_that_the_services_do_not_take_is_refused" {
  command = plan

  variables {
    visibility_timeout_seconds = 43200
  }

  expect_failures = [var.visibility_timeout_seconds]
}

run "a_name_too_long_for_its_dead_letters_is_refused" {
  command = plan

  variables {
    name = "a-name-that-is-so-long-that-its-dead-letter-queue-would-pass-what-sqs-takes"
  }

  expect_failures = [var.name]
}

run "a_sender_without_a_source_is_refused" {
  command = plan

  variables {
    senders = { anyone = { principal = "sns.amazonaws.com", source_arns = [] } }
  }

  expect_failures = [var.senders]
}

run "a_sender_with_a_wildcard_for_a_source_is_refused" {
  command = plan

  variables {
    senders = { anyone = { principal = "sns.amazonaws.com", source_arns = ["arn:aws:sns:*:*:*"] } }
  }

  expect_failures = [var.senders]
}

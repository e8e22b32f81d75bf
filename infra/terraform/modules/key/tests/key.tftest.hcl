mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "deskhand-messages"
  description = "deskhand: queues and topics"

  senders = {
    "s3.amazonaws.com"         = { context_key = "aws:sqs:arn", arn_pattern = "arn:aws:sqs:eu-central-1:123456789012:deskhand-*" }
    "events.rds.amazonaws.com" = { context_key = "aws:sns:topicArn", arn_pattern = "arn:aws:sns:eu-central-1:123456789012:deskhand-*" }
  }
}

run "the_key_rotates_and_waits_a_month_before_it_goes" {
  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key never changes."
  }

  assert {
    condition     = aws_kms_key.this.deletion_window_in_days == 30
    error_message = "Whoever deletes the key by mistake has less than a month to notice."
  }
}

run "the_account_keeps_power_over_its_key" {
  assert {
    condition = anytrue([
      for statement in data.aws_iam_policy_document.key.statement :
      contains(statement.actions, "kms:*") && contains(tolist(statement.principals)[0].identifiers, "arn:aws:iam::123456789012:root")
    ])
    error_message = "Nobody could change the key again."
  }
}

run "a_service_that_delivers_is_held_to_our_own_queues_and_topics" {
  assert {
    condition = {
      for statement in data.aws_iam_policy_document.key.statement :
      tolist(tolist(statement.principals)[0].identifiers)[0] => "${tolist(statement.condition)[0].variable} ${tolist(tolist(statement.condition)[0].values)[0]}"
      if startswith(statement.sid, "DeliveryBy")
      } == {
      "s3.amazonaws.com"         = "kms:EncryptionContext:aws:sqs:arn arn:aws:sqs:eu-central-1:123456789012:deskhand-*"
      "events.rds.amazonaws.com" = "kms:EncryptionContext:aws:sns:topicArn arn:aws:sns:eu-central-1:123456789012:deskhand-*"
    }
    error_message = "A sender is missing, or may use the key for what is not ours."
  }

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.key.statement :
      toset(statement.actions) == toset(["kms:Decrypt", "kms:GenerateDataKey*"]) if startswith(statement.sid, "DeliveryBy")
    ])
    error_message = "To deliver takes GenerateDataKey and Decrypt, and no more."
  }
}

run "statement_ids_differ" {
  assert {
    condition     = length(distinct([for statement in data.aws_iam_policy_document.key.statement : statement.sid])) == 3
    error_message = "KMS refuses a policy that uses an id twice."
  }
}

run "log_groups_may_use_the_key_by_their_names_only" {
  variables {
    senders           = {}
    log_group_pattern = "*deskhand*"
  }

  assert {
    condition = anytrue([
      for statement in data.aws_iam_policy_document.key.statement :
      tolist(tolist(statement.principals)[0].identifiers)[0] == "logs.eu-central-1.amazonaws.com" &&
      flatten([for condition in statement.condition : tolist(condition.values)]) == ["arn:aws:logs:eu-central-1:123456789012:log-group:*deskhand*"]
    ])
    error_message = "CloudWatch Logs cannot encrypt our log groups, or may encrypt others with our key."
  }
}

run "a_window_that_kms_does_not_know_is_refused" {
  command = plan

  variables {
    deletion_window_days = 3
  }

  expect_failures = [var.deletion_window_days]
}

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name         = "deskhand-ticket-updates"
  display_name = "deskhand tickets"
  key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "a_topic_is_encrypted_and_takes_nothing_without_tls" {
  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == var.key_arn
    error_message = "The topic is not encrypted with the given key."
  }

  assert {
    condition = anytrue([
      for statement in data.aws_iam_policy_document.topic.statement :
      statement.effect == "Deny" && tolist(statement.condition)[0].variable == "aws:SecureTransport"
    ])
    error_message = "The topic takes requests without TLS."
  }
}

run "nobody_else_may_publish" {
  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.topic.statement : statement.effect == "Deny"])
    error_message = "A topic without publishing services must allow nothing."
  }
}

run "an_address_gets_what_its_filter_lets_through" {
  variables {
    emails = {
      "desk@example.com" = { resolverGroup = ["service-desk"] }
      "all@example.com"  = {}
    }
  }

  assert {
    condition     = jsondecode(aws_sns_topic_subscription.email["desk@example.com"].filter_policy) == { resolverGroup = ["service-desk"] }
    error_message = "The filter does not reach SNS."
  }

  assert {
    condition     = aws_sns_topic_subscription.email["all@example.com"].filter_policy == null
    error_message = "An empty filter policy is no filter; SNS wants none at all."
  }

  assert {
    condition     = alltrue([for subscription in aws_sns_topic_subscription.email : subscription.protocol == "email"])
    error_message = "People are told by e-mail."
  }
}

run "a_queue_gets_a_copy_in_its_envelope" {
  variables {
    queue_arns = { outcomes = "arn:aws:sqs:eu-central-1:123456789012:deskhand-ticket-outcomes" }
  }

  assert {
    condition = (
      aws_sns_topic_subscription.queue["outcomes"].protocol == "sqs" &&
      aws_sns_topic_subscription.queue["outcomes"].endpoint == "arn:aws:sqs:eu-central-1:123456789012:deskhand-ticket-outcomes"
    )
    error_message = "The queue is not subscribed."
  }

  assert {
    condition     = coalesce(aws_sns_topic_subscription.queue["outcomes"].raw_message_delivery, false) == false
    error_message = "Without the envelope, readers see neither the attributes nor the message's id."
  }
}

run "services_of_aws_publish_for_this_account_only" {
  variables {
    publishing_services = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
  }

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.topic.statement :
      tolist(statement.condition)[0].variable == "aws:SourceAccount" && tolist(tolist(statement.condition)[0].values)[0] == "123456789012"
      if statement.effect != "Deny"
    ])
    error_message = "Another account's alarm could publish here."
  }

  assert {
    condition     = length([for statement in data.aws_iam_policy_document.topic.statement : statement if statement.effect != "Deny"]) == 2
    error_message = "A service is missing."
  }
}

run "eventbridge_publishes_without_a_source_account" {
  variables {
    publishing_services = ["events.amazonaws.com"]
  }

  assert {
    condition = one([
      for statement in data.aws_iam_policy_document.topic.statement : length(statement.condition) if statement.sid == "PublishedByEvents"
    ]) == 0
    error_message = "EventBridge sends no source account: with the condition, every event would be dropped without a word."
  }
}

run "a_word_that_is_no_address_is_refused" {
  command = plan

  variables {
    emails = { "service-desk" = {} }
  }

  expect_failures = [var.emails]
}

run "a_sender_name_too_long_for_sns_is_refused" {
  command = plan

  variables {
    display_name = "a name of more than a hundred characters, which the console would show in full and SNS does not take at all"
  }

  expect_failures = [var.display_name]
}

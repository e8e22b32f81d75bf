mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name = "deskhand"
}

run "whoever_delivers_to_our_queues_and_topics_may_use_their_key" {
  assert {
    condition = {
      for principal, sender in local.senders : principal => sender.arn_pattern
      } == {
      "s3.amazonaws.com"         = "arn:aws:sqs:eu-central-1:123456789012:deskhand-*"
      "sns.amazonaws.com"        = "arn:aws:sqs:eu-central-1:123456789012:deskhand-*"
      "budgets.amazonaws.com"    = "arn:aws:sns:eu-central-1:123456789012:deskhand-*"
      "cloudwatch.amazonaws.com" = "arn:aws:sns:eu-central-1:123456789012:deskhand-*"
      "events.amazonaws.com"     = "arn:aws:sns:eu-central-1:123456789012:deskhand-*"
      "events.rds.amazonaws.com" = "arn:aws:sns:eu-central-1:123456789012:deskhand-*"
    }
    error_message = "Deliveries of one of these services would be dropped without a word, or go beyond what is ours."
  }

  assert {
    condition     = local.deletion_window_days == 30
    error_message = "A protected key waits for 30 days."
  }
}

run "an_unprotected_key_goes_in_a_week" {
  command = plan

  variables {
    protect = false
  }

  assert {
    condition     = local.deletion_window_days == 7
    error_message = "KMS takes no less than 7 days."
  }
}

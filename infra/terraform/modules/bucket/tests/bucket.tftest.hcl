mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name    = "deskhand-uploads-123456789012-eu-central-1"
  key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"

  notifications = {
    feedback-files = { queue_arn = "arn:aws:sqs:eu-central-1:123456789012:deskhand-feedback-files", prefix = "uploads/" }
  }
}

run "nobody_outside_the_account_can_read" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Feedback could be made public."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "An object's ACL could give it away."
  }

  assert {
    condition = one([
      for statement in data.aws_iam_policy_document.bucket.statement : statement.effect
      if tolist(statement.condition)[0].variable == "aws:SecureTransport" && length(statement.resources) == 2 && contains(statement.actions, "s3:*")
    ]) == "Deny"
    error_message = "Bucket and objects must refuse requests without TLS."
  }

  assert {
    condition     = length(data.aws_iam_policy_document.bucket.statement) == 1
    error_message = "The bucket's policy allows something to somebody."
  }
}

run "objects_are_versioned_and_encrypted_with_our_key" {
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "An overwritten upload would be gone."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      "${rule.apply_server_side_encryption_by_default[0].sse_algorithm} ${rule.apply_server_side_encryption_by_default[0].kms_master_key_id} ${rule.bucket_key_enabled}"
    ]) == "aws:kms ${var.key_arn} true"
    error_message = "Objects are not encrypted with the given key, or each of them costs a call to KMS."
  }
}

run "uploads_and_nothing_else_are_told_to_the_queue" {
  assert {
    condition     = one(aws_s3_bucket_notification.this.queue).filter_prefix == "uploads/"
    error_message = "Reports and rejects would come back as feedback."
  }

  assert {
    condition     = one(aws_s3_bucket_notification.this.queue).events == toset(["s3:ObjectCreated:*"])
    error_message = "A large file comes by multipart upload, another by copy: all kinds of creation count."
  }

  assert {
    condition     = one(aws_s3_bucket_notification.this.queue).queue_arn == "arn:aws:sqs:eu-central-1:123456789012:deskhand-feedback-files"
    error_message = "The notification goes to another queue."
  }
}

run "what_is_old_goes" {
  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.id => rule.status
    } == { "objects-expire" = "Enabled", "leftovers-go" = "Enabled" }
    error_message = "A rule is missing or off."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      "${rule.expiration[0].days} ${rule.noncurrent_version_expiration[0].noncurrent_days}" if rule.id == "objects-expire"
    ]) == "365 92"
    error_message = "Objects are kept for a year, earlier versions for a quarter of it."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.abort_incomplete_multipart_upload[0].days_after_initiation
      if rule.id == "leftovers-go"
    ]) == 7
    error_message = "Parts of broken uploads would be paid for, for ever."
  }
}

run "what_has_another_prefix_stays" {
  variables {
    expiring_prefix = "desk-"
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.filter[0].prefix if rule.id == "objects-expire"
    ]) == "desk-"
    error_message = "What is to stay would go after retention_days."
  }
}

run "a_bucket_with_something_in_it_stays_unless_that_is_meant" {
  assert {
    condition     = aws_s3_bucket.this.force_destroy == false
    error_message = "A destroy would delete every upload without a word."
  }
}

run "whoever_means_it_may_delete" {
  variables {
    protect = false
  }

  assert {
    condition     = aws_s3_bucket.this.force_destroy
    error_message = "protect = false must let the bucket go."
  }
}

run "a_prefix_that_takes_in_our_own_reports_is_refused" {
  command = plan

  variables {
    notifications = { all = { queue_arn = "arn:aws:sqs:eu-central-1:123456789012:deskhand-feedback-files", prefix = "" } }
  }

  expect_failures = [var.notifications]
}

run "a_retention_shorter_than_a_run_may_wait_is_refused" {
  command = plan

  variables {
    retention_days = 1
  }

  expect_failures = [var.retention_days]
}

run "a_name_that_s3_refuses_is_refused_before" {
  command = plan

  variables {
    name = "Deskhand.Uploads"
  }

  expect_failures = [var.name]
}

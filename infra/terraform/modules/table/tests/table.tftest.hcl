mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name          = "deskhand-Ticket"
  partition_key = "ticketId"
  key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "a_table_can_be_put_back_and_does_not_go_by_mistake" {
  assert {
    condition     = aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "A wrong write could not be undone."
  }

  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled
    error_message = "A destroy would delete the table without a word."
  }
}

run "a_table_is_paid_by_use_and_encrypted_with_our_key" {
  assert {
    condition     = aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST"
    error_message = "Provisioned capacity throttles bursts."
  }

  assert {
    condition     = aws_dynamodb_table.this.server_side_encryption[0].enabled && aws_dynamodb_table.this.server_side_encryption[0].kms_key_arn == var.key_arn
    error_message = "The table is not encrypted with the given key."
  }
}

run "a_plain_table_has_neither_stream_nor_index_nor_expiry" {
  assert {
    condition = (
      !aws_dynamodb_table.this.stream_enabled && aws_dynamodb_table.this.range_key == null &&
      length(aws_dynamodb_table.this.global_secondary_index) == 0 && length(aws_dynamodb_table.this.ttl) == 0
    )
    error_message = "Something is there that nobody asked for."
  }
}

run "a_stream_carries_new_and_old_images" {
  variables {
    stream = true
  }

  assert {
    condition     = aws_dynamodb_table.this.stream_enabled && aws_dynamodb_table.this.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "The bridge compares the status before and after; it needs both images."
  }
}

run "keys_and_index_bring_their_attributes" {
  variables {
    sort_key = "employeeId"
    index    = { name = "agenda", partition_key = "agenda", sort_key = "dueAt" }
  }

  assert {
    condition = { for attribute in aws_dynamodb_table.this.attribute : attribute.name => attribute.type } == {
      ticketId = "S", employeeId = "S", agenda = "S", dueAt = "S"
    }
    error_message = "DynamoDB wants every key's attribute defined, and no other."
  }

  assert {
    condition     = one(aws_dynamodb_table.this.global_secondary_index).projection_type == "KEYS_ONLY"
    error_message = "The index would copy every ticket's text."
  }
}

run "items_expire_by_their_attribute" {
  variables {
    expires_at_attribute = "expiresAt"
  }

  assert {
    condition     = aws_dynamodb_table.this.ttl[0].enabled && aws_dynamodb_table.this.ttl[0].attribute_name == "expiresAt"
    error_message = "Nothing would ever go."
  }
}

run "whoever_means_it_may_delete" {
  variables {
    protect = false
  }

  assert {
    condition     = !aws_dynamodb_table.this.deletion_protection_enabled
    error_message = "protect = false must let the table go."
  }
}

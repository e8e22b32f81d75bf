locals {
  indexes = var.index == null ? [] : [var.index]

  key_attributes = toset(compact(concat(
    [var.partition_key, var.sort_key],
    flatten([for index in local.indexes : [index.partition_key, index.sort_key]]),
  )))
}

resource "aws_dynamodb_table" "this" {
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = var.partition_key
  range_key                   = var.sort_key
  stream_enabled              = var.stream
  stream_view_type            = var.stream ? "NEW_AND_OLD_IMAGES" : null
  deletion_protection_enabled = var.protect

  dynamic "attribute" {
    for_each = local.key_attributes

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.indexes

    content {
      name            = global_secondary_index.value.name
      hash_key        = global_secondary_index.value.partition_key
      range_key       = global_secondary_index.value.sort_key
      projection_type = "KEYS_ONLY"
    }
  }

  dynamic "ttl" {
    for_each = var.expires_at_attribute == null ? [] : [var.expires_at_attribute]

    content {
      enabled        = true
      attribute_name = ttl.value
    }
  }

  # Any second of the last 35 days can be restored, into a table of another name.
  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}

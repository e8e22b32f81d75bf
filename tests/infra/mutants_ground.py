"""Mistakes in keys, network, queues, topics, tables, bucket and database."""

from tests.infra.mutants import Mutant

GROUND = (
    Mutant(
        "no dead-letter queue",
        "modules/queue/main.tf",
        """  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receive_count
  })
""",
        "",
    ),
    Mutant(
        "dead letters go back to the work queue",
        "modules/queue/main.tf",
        "deadLetterTargetArn = aws_sqs_queue.dead_letter.arn",
        'deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:other"',
    ),
    Mutant(
        "a dead letter dies with its queue",
        "modules/queue/main.tf",
        "message_retention_seconds  = 1209600",
        "message_retention_seconds  = 345600",
    ),
    Mutant(
        "any queue may fill the dead-letter queue",
        "modules/queue/main.tf",
        'redrivePermission = "byQueue"\n    sourceQueueArns   = [aws_sqs_queue.work.arn]',
        'redrivePermission = "allowAll"',
    ),
    Mutant(
        "short polling", "modules/queue/main.tf", "receive_wait_time_seconds  = 20", "receive_wait_time_seconds  = 0"
    ),
    Mutant(
        "a FIFO queue without high throughput",
        "modules/queue/main.tf",
        'var.fifo ? "perMessageGroupId" : null',
        'var.fifo ? "perQueue" : null',
    ),
    Mutant(
        "a FIFO queue with a standard dead-letter queue",
        "modules/queue/main.tf",
        '  name       = "${var.name}-dead${local.suffix}"\n  fifo_queue = var.fifo\n',
        '  name       = "${var.name}-dead"\n',
    ),
    Mutant(
        "dead letters are not encrypted",
        "modules/queue/main.tf",
        "  kms_master_key_id          = var.key_arn\n}\n\n# A queue",
        "}\n\n# A queue",
    ),
    Mutant(
        "misspelt attribute of a queue",
        "modules/queue/main.tf",
        "receive_wait_time_seconds  = 20",
        "receive_wait_seconds       = 20",
        by="validate",
    ),
    Mutant(
        "an AWS service sends for any account", "modules/queue/policy.tf", '"aws:SourceAccount"', '"aws:SourceOrgID"'
    ),
    Mutant(
        "the wrong kind of principal sends", "modules/queue/policy.tf", 'type        = "Service"', 'type        = "AWS"'
    ),
    Mutant(
        "a sender may also receive",
        "modules/queue/policy.tf",
        'actions   = ["sqs:SendMessage"]',
        'actions   = ["sqs:SendMessage", "sqs:ReceiveMessage"]',
    ),
    Mutant(
        "a queue takes requests without TLS",
        "modules/queue/policy.tf",
        '    effect    = "Deny"\n    actions   = ["sqs:*"]\n    resources = [aws_sqs_queue.dead_letter.arn]',
        '    effect    = "Allow"\n    actions   = ["sqs:*"]\n    resources = [aws_sqs_queue.dead_letter.arn]',
    ),
    Mutant(
        "a receive limit that one deployment reaches is let through",
        "modules/queue/variables.tf",
        "var.max_receive_count >= 50 &&",
        "var.max_receive_count >= 1 &&",
    ),
    Mutant(
        "queues hide messages for another time than the services believe",
        "stack/variables.tf",
        'as VISIBILITY_SECONDS."\n  type        = number\n  default     = 60',
        'as VISIBILITY_SECONDS."\n  type        = number\n  default     = 30',
        by="agreement",
    ),
    Mutant("stream off", "stack/storage/main.tf", "stream        = true", "stream        = false"),
    Mutant("a stream without old images", "modules/table/main.tf", '"NEW_AND_OLD_IMAGES" : null', '"NEW_IMAGE" : null'),
    Mutant(
        "a table that cannot be put back",
        "modules/table/main.tf",
        "point_in_time_recovery {\n    enabled = true",
        "point_in_time_recovery {\n    enabled = false",
    ),
    Mutant(
        "a table that a destroy takes along",
        "modules/table/main.tf",
        "deletion_protection_enabled = var.protect",
        "deletion_protection_enabled = false",
    ),
    Mutant("an index that copies every ticket", "modules/table/main.tf", '"KEYS_ONLY"', '"ALL"'),
    Mutant(
        "a table with another key",
        "stack/storage/main.tf",
        'Ledger      = { partition_key = "ticketId", sort_key = "entry" }',
        'Ledger      = { partition_key = "ticketId", sort_key = "turn" }',
        by="agreement",
    ),
    Mutant(
        "failure counts that never expire",
        "stack/storage/main.tf",
        'expires_at_attribute = "expiresAt"',
        'expires_at_attribute = "expires"',
        by="agreement",
    ),
    Mutant("a missing table", "stack/storage/main.tf", '    Lease       = { partition_key = "leaseKey" }\n', ""),
    Mutant(
        "a bucket that may be made public",
        "modules/bucket/main.tf",
        "restrict_public_buckets = true",
        "restrict_public_buckets = false",
    ),
    Mutant("a bucket whose objects carry ACLs", "modules/bucket/main.tf", '"BucketOwnerEnforced"', '"ObjectWriter"'),
    Mutant(
        "a bucket without versions",
        "modules/bucket/main.tf",
        'status = "Enabled"\n  }\n}\n\nresource "aws_s3_bucket_ownership',
        'status = "Suspended"\n  }\n}\n\nresource "aws_s3_bucket_ownership',
    ),
    Mutant(
        "a bucket that takes requests without TLS",
        "modules/bucket/main.tf",
        'effect    = "Deny"',
        'effect    = "Allow"',
    ),
    Mutant(
        "copies and multipart uploads are not told",
        "modules/bucket/main.tf",
        '["s3:ObjectCreated:*"]',
        '["s3:ObjectCreated:Put"]',
    ),
    Mutant(
        "reports are told as feedback",
        "stack/storage/main.tf",
        'prefix = "uploads/"',
        'prefix = "runs/"',
        by="agreement",
    ),
    Mutant(
        "a destroy empties the bucket", "modules/bucket/main.tf", "force_destroy = !var.protect", "force_destroy = true"
    ),
    Mutant(
        "the database has a public address",
        "modules/database/main.tf",
        "publicly_accessible    = false",
        "publicly_accessible    = true",
    ),
    Mutant(
        "the database is open to the world",
        "modules/database/network.tf",
        """  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = each.value
""",
        """  security_group_id            = aws_security_group.database.id
  cidr_ipv4                    = "0.0.0.0/0"
""",
    ),
    Mutant(
        "a database without TLS",
        "modules/database/main.tf",
        '"rds.force_ssl"              = "1"',
        '"rds.force_ssl"              = "0"',
    ),
    Mutant(
        "MySQL without TLS",
        "modules/database/main.tf",
        '"require_secure_transport" = "1"',
        '"require_secure_transport" = "0"',
    ),
    Mutant(
        "a destroy leaves no snapshot",
        "modules/database/main.tf",
        "skip_final_snapshot       = !var.protect",
        "skip_final_snapshot       = true",
    ),
    Mutant(
        "the master's password in the state",
        "modules/database/main.tf",
        "manage_master_user_password         = true",
        'password                            = "correct-horse"',
    ),
    Mutant(
        "an unencrypted database",
        "modules/database/main.tf",
        "storage_encrypted     = true",
        "storage_encrypted     = false",
    ),
    Mutant(
        "rds-db:connect for every user",
        "modules/database/outputs.tf",
        "${aws_db_instance.this.resource_id}/${local.app_user}",
        "${aws_db_instance.this.resource_id}/*",
    ),
    Mutant(
        "endpoints are open to other accounts' credentials",
        "modules/network/policies.tf",
        """    sid       = "OurRoles"
    actions   = ["*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }
""",
        """    sid       = "OurRoles"
    actions   = ["*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
""",
    ),
    Mutant(
        "rows may be carried to other accounts' buckets",
        "modules/network/policies.tf",
        'variable = "aws:ResourceAccount"',
        'variable = "aws:RequestedRegion"',
    ),
    Mutant(
        "the ticket agent reaches the database",
        "stack/databases.tf",
        ' if name != "ticket_agent"',
        "",
        by="agreement",
    ),
    Mutant("no image can be pulled", "modules/network/policies.tf", "starport-layer-bucket", "starport-layers"),
    Mutant(
        "tasks reach the internet beside the endpoints",
        "modules/network/security_groups.tf",
        "for_each = length(local.nat_zones) > 0 ? var.service_names : []",
        "for_each = var.service_names",
    ),
    Mutant(
        "the streams' endpoint asks for a private name",
        "modules/network/endpoints.tf",
        'each.key != "dynamodb-streams"',
        "true",
    ),
    Mutant(
        "an endpoint in a zone that its service is not in",
        "modules/network/endpoints.tf",
        "    if contains(data.aws_vpc_endpoint_service.interface[each.key].availability_zones, zone)\n",
        "",
    ),
    Mutant(
        "an endpoint is missing",
        "stack/network.tf",
        '"servicequotas", "sns", "sqs"]',
        '"servicequotas", "sns"]',
        by="agreement",
    ),
    Mutant(
        "all zones leave by the first NAT gateway",
        "modules/network/nat.tf",
        "contains(local.nat_zones, each.key) ? each.key : local.nat_zones[0]",
        '"${local.nat_zones[0]}-"',
    ),
    Mutant(
        "the default security group is left as it was",
        "modules/network/main.tf",
        """resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id
}
""",
        "",
        by="scan",
    ),
    Mutant(
        "a key that never changes",
        "modules/key/main.tf",
        "enable_key_rotation     = true",
        "enable_key_rotation     = false",
    ),
    Mutant(
        "a service may use the key for what is not ours",
        "stack/keys/main.tf",
        ':${var.name}-*"\n',
        ':*"\n',
    ),
    Mutant(
        "EventBridge cannot reach an encrypted topic",
        "stack/keys/main.tf",
        '    "events.amazonaws.com"     = local.to_topics\n',
        "",
    ),
    Mutant(
        "EventBridge is held to a condition that it does not meet",
        "modules/key/main.tf",
        'variable = "kms:EncryptionContext:${statement.value.context_key}"',
        'variable = "aws:SourceAccount"',
    ),
    Mutant(
        "a topic that any account's alarm may publish to",
        "modules/notifications/main.tf",
        'variable = "aws:SourceAccount"',
        'variable = "aws:SourceArn"',
    ),
    Mutant(
        "a filter that SNS never gets",
        "modules/notifications/main.tf",
        "length(each.value) == 0 ? null : jsonencode(each.value)",
        "null",
    ),
    Mutant(
        "the mailbox takes from anybody's topic",
        "stack/messaging/mailbox.tf",
        "values   = values(local.topic_arns)",
        'values   = ["arn:aws:sns:*:*:*"]',
    ),
    Mutant(
        "uploads of another bucket are let in",
        "stack/messaging/main.tf",
        "source_arns = [var.bucket_arn]",
        'source_arns = ["arn:aws:s3:::other"]',
    ),
    Mutant(
        "a work queue that loses its order",
        "stack/messaging/main.tf",
        "ticket-work      = { fifo = true }",
        "ticket-work      = {}",
    ),
    Mutant(
        "a zone too few is left to an obscure error",
        "modules/network/main.tf",
        "length(var.availability_zones) > 0 || length(local.available) >= var.availability_zone_count",
        "length(local.available) > 0",
    ),
)

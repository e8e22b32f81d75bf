# What the feedback tagger and its migration may do. tests/infra compares it with the calls that they really make.

data "aws_iam_policy_document" "task" {
  source_policy_documents = concat(
    [module.model.policy_json, module.embedding_model.policy_json],
    [for model in module.unsure_model : model.policy_json],
    [for batch in data.aws_iam_policy_document.batch_task : batch.json],
  )

  statement {
    sid       = "TakeFromItsQueues"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    resources = [for name in local.queues : var.queue_arns[name]]
  }

  statement {
    sid       = "SendAFilesChunks"
    actions   = ["sqs:SendMessage"]
    resources = [var.queue_arns["feedback-chunks"]]
  }

  statement {
    sid       = "SetAsideWithAReason"
    actions   = ["sqs:SendMessage"]
    resources = [for name in local.queues : var.dead_queue_arns[name]]
  }

  statement {
    sid       = "TellTheResultsOfRuns"
    actions   = ["sns:Publish"]
    resources = [var.run_results_topic_arn]
  }

  statement {
    sid       = "ShareTheModelsQuota"
    actions   = ["dynamodb:UpdateItem"]
    resources = [var.table_arns["Lease"]]
  }

  statement {
    sid       = "CountFailures"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [var.table_arns["Idempotency"]]
  }

  statement {
    sid = "ReadUploads"
    # The bucket keeps versions, and a notification names one: an object that was replaced meanwhile is still read.
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${var.bucket_arn}/uploads/*"]
  }

  statement {
    sid = "TellAMissingObjectFromAForbiddenOne"
    # Without it S3 answers 403 where it means 404, and a file that was deleted again would look like a missing right.
    # No condition on the prefix: a GetObject has none, so it would never hold.
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]
  }

  statement {
    sid = "WriteReportsAndRejects"
    # Not under uploads/: a report would come back as a file. Large files are sent in parts, and dropped if that fails.
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${var.bucket_arn}/runs/*", "${var.bucket_arn}/rejects/*", "${var.bucket_arn}/taxonomy/*"]
  }

  statement {
    sid       = "SignInToTheDatabase"
    actions   = ["rds-db:connect"]
    resources = [var.database.connect_arn]
  }

  statement {
    sid = "ReadTheModelsQuota"
    # The limiter asks for the quotas of the models it was given; quotas are not secret, and the codes are many.
    actions   = ["servicequotas:GetServiceQuota"]
    resources = ["arn:${data.aws_partition.current.partition}:servicequotas:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:bedrock/*"]
  }

  statement {
    sid       = "ReadAndWriteEncryptedRowsAndObjects"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values = [
        "dynamodb.${data.aws_region.current.region}.amazonaws.com",
        "s3.${data.aws_region.current.region}.amazonaws.com",
      ]
    }
  }

  statement {
    sid       = "ReadAndWriteEncryptedMessages"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.messages_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values = [
        "sns.${data.aws_region.current.region}.amazonaws.com",
        "sqs.${data.aws_region.current.region}.amazonaws.com",
      ]
    }
  }
}

data "aws_iam_policy_document" "migration" {
  statement {
    sid = "ReadTheMasterPassword"
    # The migration alone is the master user; it makes the users that can do less.
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.database.master_secret_arn]
  }

  dynamic "statement" {
    for_each = var.database.dashboard_secret_arn == null ? [] : [var.database.dashboard_secret_arn]

    content {
      sid = "KeepTheDashboardsPassword"
      # Until the first migration has filled it, reading it fails as if it were not there; describing it tells the two apart.
      actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "ReadAndWriteEncryptedSecrets"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.current.region}.amazonaws.com"]
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

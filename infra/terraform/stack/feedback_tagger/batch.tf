# The batch lane: Bedrock asks about a file's rows in jobs of its own, at half the price and within a day. It reads and
# writes the bucket as this role.

locals {
  job_arns = "arn:${data.aws_partition.current.partition}:bedrock:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:model-invocation-job/*"
}

resource "aws_iam_role" "batch" {
  for_each = var.batch ? toset(["batch"]) : []

  name               = "${var.name}-feedback-${each.key}"
  description        = "Bedrock's batch jobs read the prompts of ${var.name} and write the answers"
  assume_role_policy = data.aws_iam_policy_document.batch_trust.json
}

resource "aws_iam_role_policy" "batch" {
  for_each = aws_iam_role.batch

  name   = "objects"
  role   = each.value.id
  policy = data.aws_iam_policy_document.batch_job.json
}

data "aws_iam_policy_document" "batch_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["bedrock.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.job_arns]
    }
  }
}

data "aws_iam_policy_document" "batch_job" {
  # A job through an inference profile asks the model as this role.
  source_policy_documents = [module.model.policy_json]

  statement {
    sid       = "ListThePrompts"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["batch/*"]
    }
  }

  statement {
    sid       = "ReadPromptsAndWriteAnswers"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${var.bucket_arn}/batch/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  statement {
    sid       = "ReadAndWriteEncryptedObjects"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.region}.amazonaws.com"]
    }
  }
}

# What the tagger itself needs for it.
data "aws_iam_policy_document" "batch_task" {
  for_each = aws_iam_role.batch

  statement {
    sid       = "BeginBatchJobs"
    actions   = ["bedrock:CreateModelInvocationJob"]
    resources = [module.model.arn, local.job_arns]
  }

  statement {
    sid       = "FollowBatchJobs"
    actions   = ["bedrock:GetModelInvocationJob", "bedrock:StopModelInvocationJob"]
    resources = [local.job_arns]
  }

  statement {
    sid = "FindABatchJobByItsName"
    # IAM knows no resource for it.
    actions   = ["bedrock:ListModelInvocationJobs"]
    resources = ["*"]
  }

  statement {
    sid       = "LetBatchJobsUseTheirRole"
    actions   = ["iam:PassRole"]
    resources = [each.value.arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["bedrock.amazonaws.com"]
    }
  }

  statement {
    sid       = "WritePromptsAndReadAnswers"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${var.bucket_arn}/batch/*"]
  }
}

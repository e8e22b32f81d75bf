# A copy of every notification, for whoever has no e-mail address to give. No service reads it: what nobody fetches
# goes after 14 days, and a message that fails to be read again and again has nowhere to go but away.
resource "aws_sqs_queue" "mailbox" {
  name                      = "${var.name}-mailbox"
  message_retention_seconds = 1209600
  kms_master_key_id         = var.key_arn
}

resource "aws_sqs_queue_policy" "mailbox" {
  queue_url = aws_sqs_queue.mailbox.id
  policy    = data.aws_iam_policy_document.mailbox.json
}

data "aws_iam_policy_document" "mailbox" {
  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.mailbox.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "SentByTopics"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.mailbox.arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = values(local.topic_arns)
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

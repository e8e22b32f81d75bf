data "aws_caller_identity" "current" {}

resource "aws_sns_topic" "this" {
  name              = var.name
  display_name      = var.display_name
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn     = aws_sns_topic.this.arn
  protocol      = "email"
  endpoint      = each.key
  filter_policy = length(each.value) == 0 ? null : jsonencode(each.value)
}

# The envelope stays: it carries the topic, the subject and the attributes, which readers of the queue show.
resource "aws_sns_topic_subscription" "queue" {
  for_each = var.queue_arns

  topic_arn = aws_sns_topic.this.arn
  protocol  = "sqs"
  endpoint  = each.value
}

resource "aws_sns_topic_policy" "this" {
  arn    = aws_sns_topic.this.arn
  policy = data.aws_iam_policy_document.topic.json
}

# Our own roles need no statement here: in one account, what IAM allows them is enough.
data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this.arn]

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

  dynamic "statement" {
    # EventBridge sends no source account along; which rules may name this topic is a matter of IAM.
    for_each = setsubtract(var.publishing_services, ["events.amazonaws.com"])

    content {
      sid       = "PublishedBy${replace(title(replace(trimsuffix(statement.value, ".amazonaws.com"), ".", " ")), " ", "")}"
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.this.arn]

      principals {
        type        = "Service"
        identifiers = [statement.value]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [data.aws_caller_identity.current.account_id]
      }
    }
  }

  dynamic "statement" {
    for_each = setintersection(var.publishing_services, ["events.amazonaws.com"])

    content {
      sid       = "PublishedByEvents"
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.this.arn]

      principals {
        type        = "Service"
        identifiers = [statement.value]
      }
    }
  }
}

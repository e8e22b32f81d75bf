data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "aws_kms_key" "this" {
  description             = var.description
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

# In a key policy, the resource "*" is this key alone.
data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:the account's own administrators must keep power over the key, or nobody can change it again
  #checkov:skip=CKV_AWS_111:as above; in a key policy "*" means this key
  #checkov:skip=CKV_AWS_356:as above; in a key policy "*" means this key

  statement {
    sid       = "IamDecidesInThisAccount"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }

  # Without these, S3, SNS, EventBridge and CloudWatch drop what they should deliver, without a word to anybody. They
  # are held to what is encrypted and not to aws:SourceAccount, which EventBridge does not send along to KMS.
  dynamic "statement" {
    for_each = var.senders

    content {
      sid       = "DeliveryBy${replace(title(replace(trimsuffix(statement.key, ".amazonaws.com"), ".", " ")), " ", "")}"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = [statement.key]
      }

      condition {
        test     = "ArnLike"
        variable = "kms:EncryptionContext:${statement.value.context_key}"
        values   = [statement.value.arn_pattern]
      }
    }
  }

  dynamic "statement" {
    for_each = var.log_group_pattern == "" ? [] : [var.log_group_pattern]

    content {
      sid       = "LogGroups"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["logs.${data.aws_region.current.region}.amazonaws.com"]
      }

      condition {
        test     = "ArnLike"
        variable = "kms:EncryptionContext:aws:logs:arn"
        values = [join(":", [
          "arn", data.aws_partition.current.partition, "logs", data.aws_region.current.region,
          data.aws_caller_identity.current.account_id, "log-group", statement.value,
        ])]
      }
    }
  }
}

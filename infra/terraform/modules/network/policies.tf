# What may pass an endpoint at all. What each task may do, its role says.

data "aws_iam_policy_document" "s3_endpoint" {
  #checkov:skip=CKV_AWS_283:who pulls an image layer from ECR's bucket is no principal of ours; the rest is held to this account by conditions

  statement {
    sid       = "OurBucketsForOurRoles"
    actions   = ["s3:*"]
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

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [local.account_id]
    }
  }

  # ECR keeps image layers in a bucket of its own; without this, no task starts.
  statement {
    sid       = "ImageLayers"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}

data "aws_iam_policy_document" "dynamodb_endpoint" {
  statement {
    sid       = "OurTablesForOurRoles"
    actions   = ["dynamodb:*"]
    resources = ["arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/${var.table_name_prefix}*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }
  }
}

# Credentials of another account, smuggled in, pass none of the endpoints: data cannot leave by them.
data "aws_iam_policy_document" "interface_endpoint" {
  #checkov:skip=CKV_AWS_49:what each task may do is its role's part; this keeps other accounts' credentials out
  #checkov:skip=CKV_AWS_1:as above; models belong to AWS, so that no account could be named for resources

  statement {
    sid       = "OurRoles"
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
  }
}

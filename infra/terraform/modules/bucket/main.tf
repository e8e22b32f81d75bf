resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:access is recorded by CloudTrail data events where the account wants it; a log bucket of our own would need the same care as this one
  #checkov:skip=CKV_AWS_144:uploads exist where they came from; a second region would double the price of what can be uploaded again

  bucket        = var.name
  force_destroy = !var.protect
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    # One call to KMS for many objects and not one for each.
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  # Rules about earlier versions make sense of a versioned bucket only.
  depends_on = [aws_s3_bucket_versioning.this]

  bucket = aws_s3_bucket.this.id

  rule {
    id     = "objects-expire"
    status = "Enabled"

    filter {
      prefix = var.expiring_prefix == "" ? null : var.expiring_prefix
    }

    expiration {
      days = var.retention_days
    }

    # What was overwritten or deleted by mistake can be had back for this long.
    noncurrent_version_expiration {
      noncurrent_days = ceil(var.retention_days / 4)
    }
  }

  rule {
    id     = "leftovers-go"
    status = "Enabled"

    filter {}

    # Parts of an upload that broke off are paid for and show nowhere.
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    expiration {
      expired_object_delete_marker = true
    }
  }
}

resource "aws_s3_bucket_notification" "this" {
  bucket = aws_s3_bucket.this.id

  dynamic "queue" {
    for_each = var.notifications

    content {
      id            = queue.key
      queue_arn     = queue.value.queue_arn
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = queue.value.prefix
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  # S3 answers a change of both at once with a conflict.
  depends_on = [aws_s3_bucket_public_access_block.this]

  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.bucket.json
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

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
}

# The policy documents as a Bedrock knowledge base on S3 Vectors: cents a month for a few pages, and no cluster.
# A change of a document is read by the next ingestion: `aws bedrock-agent start-ingestion-job` (see the outputs).

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  prefix          = "knowledge/"
  embedding_arn   = "arn:${data.aws_partition.current.partition}:bedrock:${data.aws_region.current.region}::foundation-model/${var.embedding_model_id}"
  knowledge_bases = "arn:${data.aws_partition.current.partition}:bedrock:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:knowledge-base/*"
}

resource "aws_s3_object" "document" {
  for_each = var.documents

  bucket       = var.bucket.name
  key          = "${local.prefix}${each.key}"
  source       = each.value
  source_hash  = filemd5(each.value)
  content_type = "text/markdown"
}

resource "aws_s3vectors_vector_bucket" "this" {
  vector_bucket_name = var.name
}

resource "aws_s3vectors_index" "this" {
  index_name         = "policy"
  vector_bucket_name = aws_s3vectors_vector_bucket.this.vector_bucket_name
  data_type          = "float32"
  dimension          = var.dimensions
  distance_metric    = "cosine"

  metadata_configuration {
    # S3 Vectors filters by at most 2 KB of metadata: the text itself, among it by default, would not fit.
    non_filterable_metadata_keys = ["AMAZON_BEDROCK_METADATA", "AMAZON_BEDROCK_TEXT"]
  }
}

resource "aws_bedrockagent_knowledge_base" "this" {
  name        = var.name
  description = "What the ticket agent may look up: the access policy and how tickets are routed"
  role_arn    = aws_iam_role.knowledge_base.arn

  knowledge_base_configuration {
    type = "VECTOR"

    vector_knowledge_base_configuration {
      embedding_model_arn = local.embedding_arn

      embedding_model_configuration {
        bedrock_embedding_model_configuration {
          dimensions          = var.dimensions
          embedding_data_type = "FLOAT32"
        }
      }
    }
  }

  storage_configuration {
    type = "S3_VECTORS"

    s3_vectors_configuration {
      index_arn = aws_s3vectors_index.this.index_arn
    }
  }

  # Bedrock tries the role when the knowledge base is made.
  depends_on = [aws_iam_role_policy.knowledge_base]
}

resource "aws_bedrockagent_data_source" "documents" {
  name                 = "policy-documents"
  knowledge_base_id    = aws_bedrockagent_knowledge_base.this.id
  data_deletion_policy = "DELETE"

  data_source_configuration {
    type = "S3"

    s3_configuration {
      bucket_arn         = var.bucket.arn
      inclusion_prefixes = [local.prefix]
    }
  }

  vector_ingestion_configuration {
    chunking_configuration {
      chunking_strategy = "FIXED_SIZE"

      fixed_size_chunking_configuration {
        max_tokens         = 512
        overlap_percentage = 20
      }
    }
  }
}

data "aws_iam_policy_document" "assume" {
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
      # The id is not known before the knowledge base, and the knowledge base needs the role.
      values = [local.knowledge_bases]
    }
  }
}

resource "aws_iam_role" "knowledge_base" {
  name               = var.name
  description        = "Bedrock reads the documents of ${var.name} and keeps their vectors"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "knowledge_base" {
  statement {
    sid       = "Embed"
    actions   = ["bedrock:InvokeModel"]
    resources = [local.embedding_arn]
  }

  statement {
    sid       = "ListTheDocuments"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.prefix}*"]
    }
  }

  statement {
    sid       = "ReadTheDocuments"
    actions   = ["s3:GetObject"]
    resources = ["${var.bucket.arn}/${local.prefix}*"]
  }

  statement {
    sid       = "ReadEncryptedDocuments"
    actions   = ["kms:Decrypt"]
    resources = [var.key_arn]
  }

  statement {
    sid = "KeepTheVectors"
    actions = [
      "s3vectors:DeleteVectors", "s3vectors:GetIndex", "s3vectors:GetVectors", "s3vectors:PutVectors",
      "s3vectors:QueryVectors",
    ]
    resources = [aws_s3vectors_index.this.index_arn]
  }
}

resource "aws_iam_role_policy" "knowledge_base" {
  name   = "knowledge-base"
  role   = aws_iam_role.knowledge_base.id
  policy = data.aws_iam_policy_document.knowledge_base.json
}

# An AgentCore harness, empty: every request of the ticket agent brings instruction, model, tools and limits. It may ask
# the ticket model and nothing else, so that nothing in a ticket can reach further through it.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  arn_prefix = "arn:${data.aws_partition.current.partition}:bedrock-agentcore:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}"
}

resource "aws_bedrockagentcore_harness" "this" {
  harness_name       = var.name
  execution_role_arn = aws_iam_role.harness.arn
  # A request brings its own, at most as many.
  max_iterations  = 24
  timeout_seconds = 300

  environment {
    agentcore_runtime_environment {
      lifecycle_configuration = [{
        idle_runtime_session_timeout = var.idle_session_seconds
        max_lifetime                 = 3600
      }]

      network_configuration {
        network_mode = "PUBLIC"
      }
    }
  }

  memory {
    # Tickets are not remembered anywhere but in our tables, where they can be erased.
    disabled {}
  }

  depends_on = [aws_iam_role_policy.harness]
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["bedrock-agentcore.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.arn_prefix}:*"]
    }
  }
}

resource "aws_iam_role" "harness" {
  name               = "${replace(var.name, "_", "-")}-harness"
  description        = "The AgentCore harness ${var.name} asks its model"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "harness" {
  source_policy_documents = [var.model_policy_json]

  statement {
    sid       = "WriteTheRuntimesLog"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:log-group:/aws/bedrock-agentcore/runtimes/*"]
  }
}

resource "aws_iam_role_policy" "harness" {
  name   = "harness"
  role   = aws_iam_role.harness.id
  policy = data.aws_iam_policy_document.harness.json
}

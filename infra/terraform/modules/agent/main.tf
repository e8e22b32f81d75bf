# A Bedrock agent that decides and never acts: its one action group returns control, so that every call is carried out
# by the worker, under its guard. Closed to AWS accounts that had no agents by July 2026.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "aws_bedrockagent_agent" "this" {
  agent_name                  = var.name
  description                 = "Resolves or assigns IT tickets; every call returns to Deskhand"
  agent_resource_role_arn     = aws_iam_role.agent.arn
  foundation_model            = var.model.id
  instruction                 = var.instruction
  idle_session_ttl_in_seconds = var.idle_session_seconds
  customer_encryption_key_arn = var.key_arn
  # The action group below prepares it, when there is something to prepare.
  prepare_agent = false

  guardrail_configuration = var.guardrail == null ? null : [{
    guardrail_identifier = var.guardrail.id
    guardrail_version    = var.guardrail.version
  }]

  depends_on = [aws_iam_role_policy.agent]
}

resource "aws_bedrockagent_agent_action_group" "tools" {
  action_group_name          = "desk"
  description                = "What the desk can do; the caller carries it out"
  agent_id                   = aws_bedrockagent_agent.this.agent_id
  agent_version              = "DRAFT"
  skip_resource_in_use_check = true
  prepare_agent              = true

  action_group_executor {
    # Not a Lambda: the worker alone has guard, ledger and budget.
    custom_control = "RETURN_CONTROL"
  }

  function_schema {
    member_functions {
      dynamic "functions" {
        for_each = var.tools

        content {
          name        = functions.key
          description = functions.value.description

          dynamic "parameters" {
            for_each = functions.value.parameters

            content {
              map_block_key = parameters.key
              type          = "string"
              description   = parameters.value
              required      = true
            }
          }
        }
      }
    }
  }
}

resource "aws_bedrockagent_agent_alias" "live" {
  agent_alias_name = "live"
  agent_id         = aws_bedrockagent_agent.this.agent_id
  # The alias keeps the version that was prepared when it was last changed; the description changes with all of it.
  description = "tools and instruction ${substr(sha256(jsonencode([var.instruction, var.tools, var.model.id])), 0, 12)}"

  depends_on = [aws_bedrockagent_agent_action_group.tools]
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
      # The agent's id is not known before the agent, and the agent needs the role.
      values = ["arn:${data.aws_partition.current.partition}:bedrock:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:agent/*"]
    }
  }
}

resource "aws_iam_role" "agent" {
  name               = var.name
  description        = "The Bedrock agent ${var.name} asks its model"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "agent" {
  source_policy_documents = [var.model.policy_json]

  dynamic "statement" {
    for_each = var.guardrail == null ? [] : [var.guardrail.id]

    content {
      sid       = "ApplyTheGuardrail"
      actions   = ["bedrock:ApplyGuardrail"]
      resources = ["arn:${data.aws_partition.current.partition}:bedrock:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:guardrail/${statement.value}"]
    }
  }

  statement {
    sid       = "KeepSessionsEncrypted"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]
  }
}

resource "aws_iam_role_policy" "agent" {
  name   = "agent"
  role   = aws_iam_role.agent.id
  policy = data.aws_iam_policy_document.agent.json
}

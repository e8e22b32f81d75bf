# Which ARNs a role must be allowed in order to ask one model. Converse is authorised as bedrock:InvokeModel. A model id
# is one foundation model; an id with a region group before it (us., eu., global.) is a profile that sends requests to
# that model in other regions too.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  arn_prefix = "arn:${data.aws_partition.current.partition}:bedrock"
  is_arn     = startswith(var.model_id, "arn:")
  grouped    = can(regex("^(us|us-gov|eu|apac|jp|au|ca|global)\\.", var.model_id))
  is_profile = local.is_arn ? strcontains(var.model_id, "inference-profile/") : local.grouped

  own_arn = local.is_arn ? var.model_id : (
    local.is_profile
    ? "${local.arn_prefix}:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:inference-profile/${var.model_id}"
    : "${local.arn_prefix}:${data.aws_region.current.region}::foundation-model/${var.model_id}"
  )

  # What Bedrock does for an agent or a harness it streams, and it looks a profile up before it asks.
  ask     = concat(["bedrock:InvokeModel"], var.asked_by_bedrock ? ["bedrock:InvokeModelWithResponseStream"] : [])
  look_up = var.asked_by_bedrock && local.is_profile ? ["bedrock:GetInferenceProfile"] : []

  # An application's own profile does not tell its model in its ARN: the condition below still binds the statement to
  # the profile.
  behind = local.is_arn ? "*" : replace(var.model_id, "/^(us-gov|us|eu|apac|jp|au|ca|global)\\./", "")
}

data "aws_iam_policy_document" "invoke" {
  statement {
    sid       = "Ask${var.purpose}Model"
    actions   = concat(local.ask, local.look_up)
    resources = [local.own_arn]
  }

  dynamic "statement" {
    for_each = local.is_profile ? [local.own_arn] : []

    content {
      sid     = "Ask${var.purpose}ModelBehindTheProfile"
      actions = local.ask
      # Every region, as the profile chooses one; never without the profile.
      resources = ["${local.arn_prefix}:*::foundation-model/${local.behind}"]

      condition {
        test     = "StringEquals"
        variable = "bedrock:InferenceProfileArn"
        values   = [statement.value]
      }
    }
  }
}

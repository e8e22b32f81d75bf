# What the ticket agent may do. tests/infra compares it with the calls that the service really makes.

data "aws_iam_policy_document" "task" {
  source_policy_documents = compact([
    # The others ask the model under a role of their own.
    var.back_end == "converse" ? module.model.policy_json : null,
  ])

  statement {
    sid       = "TakeFromItsQueues"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    resources = [for name in local.queues : var.queue_arns[name]]
  }

  statement {
    sid     = "BridgeTheStreamAndSendAgainWhatIsOverdue"
    actions = ["sqs:SendMessage"]
    # Not to the doors, ticket-intake and ticket-decisions: a ticket of its own making would be vouched for by its role.
    resources = [for name in ["ticket-work", "ticket-updates"] : var.queue_arns[name]]
  }

  statement {
    sid       = "SetAsideWithAReason"
    actions   = ["sqs:SendMessage"]
    resources = [for name in local.queues : var.dead_queue_arns[name]]
  }

  statement {
    sid       = "TellPeople"
    actions   = ["sns:Publish"]
    resources = [var.ticket_updates_topic_arn]
  }

  statement {
    sid = "ReadTheDirectoryAndHoldItToThat"
    # A grant's transaction checks that owner, manager and group are still what was read. Nothing here may change them.
    actions   = ["dynamodb:GetItem", "dynamodb:ConditionCheckItem"]
    resources = [for table in ["User", "Environment", "ResolverGroup"] : var.table_arns[table]]
  }

  statement {
    sid = "GrantAccess"
    # No delete and no update: a grant ends by its expiry, and a standing row is not the agent's to change.
    actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"]
    resources = [var.table_arns["UserAccess"]]
  }

  statement {
    sid = "KeepTickets"
    # Scan is the way back when stream records were lost; DescribeTable tells the stream's ARN at the start.
    actions = [
      "dynamodb:ConditionCheckItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem",
      "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem",
    ]
    resources = [var.table_arns["Ticket"]]
  }

  statement {
    sid       = "FindWhatIsOverdue"
    actions   = ["dynamodb:Query"]
    resources = [var.ticket_agenda_index_arn]
  }

  statement {
    sid = "KeepTheLedger"
    # No delete: entries form a chain. A person's erasure is an operator's command under the operator's role.
    actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [var.table_arns["Ledger"]]
  }

  statement {
    sid       = "ReadTheStream"
    actions   = ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"]
    resources = [var.ticket_stream_arn]
  }

  statement {
    sid       = "ShareTheStreamsShards"
    actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
    resources = [var.table_arns["Lease"]]
  }

  statement {
    sid       = "CountFailuresClaimsAndTheDaysTokens"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [var.table_arns["Idempotency"]]
  }

  statement {
    sid = "ReadTheModelsQuota"
    # The limiter asks for the quotas of the models it was given; quotas are not secret, and the codes are many.
    actions   = ["servicequotas:GetServiceQuota"]
    resources = ["arn:${data.aws_partition.current.partition}:servicequotas:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:bedrock/*"]
  }

  statement {
    sid       = "ReadEncryptedTables"
    actions   = ["kms:Decrypt"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["dynamodb.${data.aws_region.current.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "ReadAndWriteEncryptedMessages"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.messages_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values = [
        "sns.${data.aws_region.current.region}.amazonaws.com",
        "sqs.${data.aws_region.current.region}.amazonaws.com",
      ]
    }
  }

  dynamic "statement" {
    for_each = var.bedrock_agent == null ? [] : [var.bedrock_agent.alias_arn]

    content {
      sid       = "AskTheBedrockAgent"
      actions   = ["bedrock:InvokeAgent"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.harness_arn == null ? [] : [var.harness_arn]

    content {
      sid = "AskTheHarness"
      # AWS asks for both on the harness: it runs in a runtime of its own.
      actions   = ["bedrock-agentcore:InvokeAgentRuntime", "bedrock-agentcore:InvokeHarness"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.knowledge_base == null ? [] : [var.knowledge_base.arn]

    content {
      sid       = "SearchTheKnowledgeBase"
      actions   = ["bedrock:Retrieve"]
      resources = [statement.value]
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                     = "desk"
  cluster_name             = "desk"
  cluster_arn              = "arn:aws:ecs:eu-central-1:123456789012:cluster/desk"
  image                    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  repository_arn           = "arn:aws:ecr:eu-central-1:123456789012:repository/desk"
  subnet_ids               = ["subnet-1", "subnet-2"]
  security_group_id        = "sg-1"
  size                     = { cpu_units = 256, memory_mib = 512, minimum_tasks = 1, maximum_tasks = 2, on_demand_tasks = 1, spot = true }
  queue_urls               = { ticket-intake = "https://sqs/i", ticket-decisions = "https://sqs/d", ticket-work = "https://sqs/w", ticket-updates = "https://sqs/u" }
  queue_arns               = { ticket-intake = "arn:aws:sqs:eu-central-1:123456789012:i", ticket-decisions = "arn:aws:sqs:eu-central-1:123456789012:d", ticket-work = "arn:aws:sqs:eu-central-1:123456789012:w", ticket-updates = "arn:aws:sqs:eu-central-1:123456789012:u" }
  queue_names              = { ticket-intake = "i", ticket-decisions = "d", ticket-work = "w.fifo", ticket-updates = "u.fifo" }
  dead_queue_urls          = { ticket-intake = "https://sqs/id", ticket-decisions = "https://sqs/dd", ticket-work = "https://sqs/wd", ticket-updates = "https://sqs/ud" }
  dead_queue_arns          = { ticket-intake = "arn:aws:sqs:eu-central-1:123456789012:id", ticket-decisions = "arn:aws:sqs:eu-central-1:123456789012:dd", ticket-work = "arn:aws:sqs:eu-central-1:123456789012:wd", ticket-updates = "arn:aws:sqs:eu-central-1:123456789012:ud" }
  ticket_updates_topic_arn = "arn:aws:sns:eu-central-1:123456789012:desk-ticket-updates"
  table_names              = { for table in ["User", "Environment", "ResolverGroup", "UserAccess", "Ticket", "Ledger", "Lease", "Idempotency"] : table => "desk-${table}" }
  table_arns               = { for table in ["User", "Environment", "ResolverGroup", "UserAccess", "Ticket", "Ledger", "Lease", "Idempotency"] : table => "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-${table}" }
  ticket_stream_arn        = "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-Ticket/stream/1"
  ticket_agenda_index_arn  = "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-Ticket/index/agenda"
  bucket_name              = "desk-uploads"
  bucket_arn               = "arn:aws:s3:::desk-uploads"

  visibility_timeout_seconds = 60
  drain_seconds              = 110
  data_key_arn               = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  messages_key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/2"
  model_id                   = "amazon.nova-pro-v1:0"
  log_retention_days         = 90
  metric_namespace           = "desk"
}

run "only_the_seeding_task_writes_the_directory" {
  assert {
    condition = toset(flatten([
      for statement in data.aws_iam_policy_document.task.statement : statement.actions
      if length(setintersection(statement.resources, [for table in ["User", "Environment", "ResolverGroup"] : var.table_arns[table]])) > 0
    ])) == toset(["dynamodb:GetItem", "dynamodb:ConditionCheckItem"])
    error_message = "The agent could make itself an owner, or somebody a manager."
  }

  assert {
    condition = toset(flatten([for statement in data.aws_iam_policy_document.seed.statement : statement.resources])) == toset([
      "arn:aws:s3:::desk-uploads/directory/*",
      "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-User",
      "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-Environment",
      "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-ResolverGroup",
      "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-UserAccess",
      var.data_key_arn,
    ])
    error_message = "Whoever may run the task could write tickets or the ledger by it, or read uploads."
  }

  assert {
    condition     = startswith(output.seed_environment["DIRECTORY_URI"], "s3://desk-uploads/directory/")
    error_message = "The task would read where its role may not."
  }
}

run "a_ticket_cannot_be_vouched_for_by_the_agent_itself" {
  assert {
    condition = length(setintersection(
      flatten([for statement in data.aws_iam_policy_document.task.statement : statement.resources if contains(statement.actions, "sqs:SendMessage")]),
      [var.queue_arns["ticket-intake"], var.queue_arns["ticket-decisions"]],
    )) == 0
    error_message = "The agent could send tickets and decisions to its own doors."
  }
}

run "an_agent_of_bedrocks_brings_its_ids_and_takes_the_right_to_ask_the_model" {
  variables {
    back_end      = "bedrock_agent"
    bedrock_agent = { agent_id = "ABCDEFGHIJ", alias_id = "KLMNOPQRST", alias_arn = "arn:aws:bedrock:eu-central-1:123456789012:agent-alias/ABCDEFGHIJ/KLMNOPQRST" }
  }

  assert {
    condition     = output.environment["BEDROCK_AGENT_ID"] == "ABCDEFGHIJ" && length(data.aws_iam_policy_document.task.source_policy_documents) == 0
    error_message = "The tasks would end at once, or could ask what they do not use."
  }
  assert {
    condition     = [for statement in data.aws_iam_policy_document.task.statement : statement.resources if statement.sid == "AskTheBedrockAgent"] == [toset([var.bedrock_agent.alias_arn])]
    error_message = "Every ticket would be refused by Bedrock."
  }
}

run "the_harness_is_asked_with_both_rights_that_aws_wants" {
  variables {
    back_end    = "agentcore_harness"
    harness_arn = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:harness/desk_tickets-1"
  }

  assert {
    condition = [for statement in data.aws_iam_policy_document.task.statement : statement.actions if contains(statement.resources, var.harness_arn)] == [
      toset(["bedrock-agentcore:InvokeAgentRuntime", "bedrock-agentcore:InvokeHarness"]),
    ]
    error_message = "Every ticket would be refused by the harness, or somebody else's agents could be asked."
  }
  assert {
    condition     = length(data.aws_iam_policy_document.task.source_policy_documents) == 0
    error_message = "The tasks could ask a model that they ask through the harness alone."
  }
}

run "a_back_end_without_what_it_runs_on_is_told" {
  command = plan
  variables {
    back_end = "agentcore_harness"
  }
  expect_failures = [check.the_back_end_has_what_it_runs_on]
}

run "a_setting_that_the_service_would_not_read_is_refused" {
  command = plan
  variables {
    settings = { ticket_wokers = "16" }
  }
  expect_failures = [var.settings]
}

mock_provider "aws" {
  source = "../mocks"
}

variables {
  name        = "deskhand"
  alert_email = "alerts@example.com"
}

# Each run applies the whole, which takes a while: one for what the core is, one for what its options bring.

run "three_variables_give_the_core_and_nothing_optional" {
  assert {
    condition     = length(module.dashboards) == 0 && module.agent.bedrock_agent == null && module.agent.harness_arn == null && module.agent.knowledge_base == null
    error_message = "Something would be made, and paid, that nobody asked for."
  }
  assert {
    condition     = output.task_environments["ticket-agent"]["TICKET_BACKEND"] == "converse"
    error_message = "The ticket agent would look for a back end that is not there."
  }
  assert {
    condition     = output.task_environments["feedback-tagger"]["DATABASE_AUTH"] == "iam" && output.task_environments["feedback-migration"]["DATABASE_AUTH"] == "secret"
    error_message = "A password would lie in a task definition."
  }
  assert {
    condition     = output.task_environments["ticket-seed"]["DIRECTORY_URI"] == "s3://${output.uploads_bucket}/directory/directory.yaml"
    error_message = "The seeding task would look in another bucket than the command in docs/deploy.md writes to."
  }
}

run "options_come_with_their_settings_and_their_endpoints" {
  variables {
    ticket_back_end = "agentcore_harness"
    feedback_batch  = true
  }
  assert {
    condition     = output.task_environments["ticket-agent"]["AGENTCORE_HARNESS_ARN"] == module.agent.harness_arn && contains(local.interface_services, "bedrock-agentcore")
    error_message = "Tasks would end at once, or never reach the harness."
  }
  assert {
    condition     = length(output.task_environments["feedback-tagger"]["BATCH_ROLE_ARN"]) > 0 && contains(local.interface_services, "bedrock")
    error_message = "Files would never take the lane, or their jobs never be reached."
  }
}

run "an_unknown_back_end_is_refused" {
  command = plan
  variables {
    ticket_back_end = "langchain"
  }
  expect_failures = [var.ticket_back_end]
}

run "a_guardrail_that_nothing_would_ask_is_refused" {
  command = plan
  variables {
    guardrail = true
  }
  expect_failures = [var.guardrail]
}

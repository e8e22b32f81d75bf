mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name              = "desk_tickets"
  model_policy_json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "the_harness_remembers_nothing" {
  assert {
    condition     = length(aws_bedrockagentcore_harness.this.memory[0].disabled) == 1
    error_message = "Tickets would be kept where nobody can erase them."
  }
}

run "the_harness_has_no_tool_of_its_own" {
  assert {
    condition     = length(aws_bedrockagentcore_harness.this.tool) == 0
    error_message = "The model could act without the guard."
  }
}

run "a_session_that_was_left_behind_ends_soon" {
  assert {
    condition     = aws_bedrockagentcore_harness.this.environment[0].agentcore_runtime_environment[0].lifecycle_configuration[0].idle_runtime_session_timeout == 300
    error_message = "It would go on costing."
  }
}

run "a_name_that_the_service_would_not_read_is_refused" {
  command = plan
  variables {
    name = "desk-tickets"
  }
  expect_failures = [var.name]
}

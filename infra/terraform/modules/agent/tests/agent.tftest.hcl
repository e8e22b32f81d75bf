mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "desk-tickets"
  model       = { id = "amazon.nova-pro-v1:0", policy_json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  instruction = "You work on the tickets of an IT service desk, one at a time."
  tools       = { giveAccess = { description = "Grants access.", parameters = { environmentId = "The id." } } }
  key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "the_agent_can_act_through_us_alone" {
  assert {
    condition     = aws_bedrockagent_agent_action_group.tools.action_group_executor[0].custom_control == "RETURN_CONTROL" && aws_bedrockagent_agent_action_group.tools.action_group_executor[0].lambda == null
    error_message = "Calls would be carried out without guard, ledger and budget."
  }
}

run "every_tool_is_offered_with_its_parameters_required" {
  assert {
    condition     = [for one in aws_bedrockagent_agent_action_group.tools.function_schema[0].member_functions[0].functions : [one.name, [for parameter in one.parameters : [parameter.map_block_key, parameter.required, parameter.type]]]] == [["giveAccess", [["environmentId", true, "string"]]]]
    error_message = "The model would be offered other tools than the worker has."
  }
}

run "a_guardrail_is_put_on_the_agent" {
  variables {
    guardrail = { id = "abcdefghij12", version = "1" }
  }
  assert {
    condition     = aws_bedrockagent_agent.this.guardrail_configuration[0].guardrail_identifier == "abcdefghij12"
    error_message = "The guardrail looks at nothing."
  }
}

run "an_empty_instruction_is_refused" {
  command = plan
  variables {
    instruction = "Help."
  }
  expect_failures = [var.instruction]
}

run "no_tools_are_refused" {
  command = plan
  variables {
    tools = {}
  }
  expect_failures = [var.tools]
}

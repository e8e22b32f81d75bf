mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name    = "desk"
  key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "prompt_attacks_are_looked_for_in_what_comes_in" {
  assert {
    condition     = [for filter in aws_bedrock_guardrail.this.content_policy_config[0].filters_config : [filter.input_strength, filter.output_strength] if filter.type == "PROMPT_ATTACK"] == [["HIGH", "NONE"]]
    error_message = "Attacks pass, or Bedrock refuses the guardrail."
  }
}

run "a_rude_ticket_is_still_worked_on" {
  assert {
    condition     = [for filter in aws_bedrock_guardrail.this.content_policy_config[0].filters_config : filter.input_strength if filter.type == "INSULTS"] == ["LOW"]
    error_message = "Every rude ticket would go to a person."
  }
}

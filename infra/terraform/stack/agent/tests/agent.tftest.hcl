mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name           = "desk-eu"
  model_id       = "eu.amazon.nova-pro-v1:0"
  bedrock_agent  = false
  guardrail      = false
  harness        = false
  knowledge_base = false
  bucket         = { name = "desk-uploads", arn = "arn:aws:s3:::desk-uploads" }
  key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "nothing_is_made_that_was_not_switched_on" {
  assert {
    condition     = output.bedrock_agent == null && output.harness_arn == null && output.knowledge_base == null && output.ingestion_command == null
    error_message = "It would be paid and never asked."
  }
  assert {
    condition     = length(module.guardrail) == 0
    error_message = "It would be paid and never asked."
  }
}

run "each_part_comes_by_its_own_switch" {
  variables {
    bedrock_agent  = true
    guardrail      = true
    harness        = true
    knowledge_base = true
  }

  assert {
    condition     = output.bedrock_agent.alias_id == "KLMNOPQRST" && output.harness_arn != null && output.knowledge_base.id == "ABCDEFGHIJ"
    error_message = "The ticket agent would not learn what it runs on."
  }
  assert {
    condition     = strcontains(output.ingestion_command, "ABCDEFGHIJ")
    error_message = "Nobody could read the documents in."
  }
}

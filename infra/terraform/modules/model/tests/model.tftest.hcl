mock_provider "aws" {
  source = "../../mocks"
}

run "a_model_is_allowed_by_its_own_arn" {
  command = plan
  variables {
    model_id = "amazon.nova-lite-v1:0"
  }
  assert {
    condition     = [for statement in data.aws_iam_policy_document.invoke.statement : statement.resources] == [toset(["arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-lite-v1:0"])]
    error_message = "The role may ask another model, or none."
  }
}

run "a_profile_allows_its_model_through_itself_alone" {
  command = plan
  variables {
    model_id = "eu.amazon.nova-lite-v1:0"
  }
  assert {
    condition = [for statement in data.aws_iam_policy_document.invoke.statement : statement.resources] == [
      toset(["arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"]),
      toset(["arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0"]),
    ]
    error_message = "Calls through the profile would be refused, or more would be allowed."
  }
  assert {
    condition     = jsonencode([for condition in data.aws_iam_policy_document.invoke.statement[1].condition : [condition.variable, condition.values]]) == jsonencode([["bedrock:InferenceProfileArn", ["arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"]]])
    error_message = "The model could be asked in every region without the profile."
  }
}

run "an_applications_own_profile_is_held_to_itself" {
  command = plan
  variables {
    model_id = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abcdefghijkl"
  }
  assert {
    condition     = length(data.aws_iam_policy_document.invoke.statement[1].condition) == 1
    error_message = "Every model could be asked."
  }
}

run "every_model_is_asked_by_one_action" {
  command = plan
  variables {
    model_id = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
  }
  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.invoke.statement : join(" ", statement.actions) == "bedrock:InvokeModel"])
    error_message = "The role may do more than ask."
  }
}

run "bedrock_itself_streams_and_looks_the_profile_up" {
  command = plan
  variables {
    model_id         = "eu.amazon.nova-pro-v1:0"
    asked_by_bedrock = true
  }
  assert {
    condition = [for statement in data.aws_iam_policy_document.invoke.statement : statement.actions] == [
      toset(["bedrock:GetInferenceProfile", "bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]),
      toset(["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]),
    ]
    error_message = "An agent or a harness would be refused at its first question."
  }
}

run "what_is_no_model_is_refused" {
  command = plan
  variables {
    model_id = "*"
  }
  expect_failures = [var.model_id]
}

# A Bedrock guardrail over what goes into an agent and comes out. It does not read tool results: the guard of the worker
# stands whatever it lets through.

resource "aws_bedrock_guardrail" "this" {
  name                      = var.name
  description               = "Harmful content and prompt attacks in tickets"
  kms_key_arn               = var.key_arn
  blocked_input_messaging   = "This ticket cannot be worked on automatically."
  blocked_outputs_messaging = "This ticket cannot be worked on automatically."

  content_policy_config {
    dynamic "filters_config" {
      for_each = toset(["HATE", "INSULTS", "MISCONDUCT", "SEXUAL", "VIOLENCE"])

      content {
        type = filters_config.value
        # People who wait for access can be rude: an insult alone must not send a ticket to a person.
        input_strength  = filters_config.value == "INSULTS" ? "LOW" : "MEDIUM"
        output_strength = "HIGH"
      }
    }

    filters_config {
      type           = "PROMPT_ATTACK"
      input_strength = "HIGH"
      # Bedrock takes no other: what the model says is no attack on it.
      output_strength = "NONE"
    }
  }
}

resource "aws_bedrock_guardrail_version" "this" {
  guardrail_arn = aws_bedrock_guardrail.this.guardrail_arn
  description   = "In use"
}

variable "name" {
  description = "Name of the agent, its alias, its role."
  type        = string
}

variable "model" {
  description = "Model or inference profile of the agent: its id or ARN, and the policy that lets a role ask it."
  type        = object({ id = string, policy_json = string })
}

variable "instruction" {
  description = "What the agent is told to do: services/ticket_agent/agent/prompts/system.md."
  type        = string

  validation {
    condition     = length(var.instruction) >= 40 && length(var.instruction) <= 20000
    error_message = "instruction: 40 to 20,000 characters; Bedrock refuses an agent with another one."
  }
}

variable "tools" {
  description = "What the agent may ask us to do: name => description and parameters, each with its meaning. All are texts and required."
  type = map(object({
    description = string
    parameters  = map(string)
  }))

  validation {
    condition     = alltrue([for name in keys(var.tools) : can(regex("^[0-9a-zA-Z_-]{1,100}$", name))])
    error_message = "tools: names of letters, digits, dashes and underscores; Bedrock refuses an action group with another one."
  }

  validation {
    condition     = length(var.tools) >= 1 && length(var.tools) <= 11
    error_message = "tools: 1 to 11; Bedrock takes no more functions in an action group, and none without any."
  }
}

variable "guardrail" {
  description = "Guardrail that looks at what goes in and out; it does not see tool results and is not the guard. null: none."
  type        = object({ id = string, version = string })
  default     = null
}

variable "key_arn" {
  description = "KMS key of the agent's sessions."
  type        = string
}

variable "idle_session_seconds" {
  description = "How long a session waits for us; it holds nothing that is not in our tables."
  type        = number
  default     = 1800

  validation {
    condition     = var.idle_session_seconds >= 60 && var.idle_session_seconds <= 5400
    error_message = "idle_session_seconds: 60 to 5400; Bedrock refuses anything else."
  }
}

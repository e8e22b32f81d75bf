variable "model_id" {
  description = "Bedrock model id, inference profile id or ARN, as the services take it."
  type        = string

  validation {
    condition     = can(regex("^(arn:[a-z-]+:bedrock:[a-z0-9-]+:([0-9]{12})?:(foundation-model|inference-profile|application-inference-profile|provisioned-model)/[A-Za-z0-9.:_-]+|[a-z0-9-]+(\\.[A-Za-z0-9-]+)+[A-Za-z0-9.:_-]*)$", var.model_id))
    error_message = "model_id: a Bedrock model id (amazon.nova-lite-v1:0), a profile (us.amazon.nova-lite-v1:0) or an ARN of one; the role would otherwise allow nothing, and every call be refused."
  }
}

variable "purpose" {
  description = "What the model is for, in letters; part of the statements' ids."
  type        = string
  default     = "The"
}

variable "asked_by_bedrock" {
  description = "Whether the role is one that Bedrock itself takes on, for an agent or a harness, and not a task's."
  type        = bool
  default     = false
}

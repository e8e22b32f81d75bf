variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "model_id" {
  description = "Bedrock model or inference profile that works on tickets."
  type        = string
}

variable "bedrock_agent" {
  description = "Make a Bedrock agent. Closed to accounts that had none by July 2026."
  type        = bool
}

variable "guardrail" {
  description = "Make a guardrail and put it on the Bedrock agent."
  type        = bool
}

variable "harness" {
  description = "Make an AgentCore harness."
  type        = bool
}

variable "knowledge_base" {
  description = "Make a knowledge base of the policy documents on S3 Vectors."
  type        = bool
}

variable "bucket" {
  description = "Bucket of the knowledge base's documents."
  type        = object({ name = string, arn = string })
}

variable "key_arn" {
  description = "KMS key of sessions and documents."
  type        = string
}

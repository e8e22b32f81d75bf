# What the ticket agent may run on besides Converse, each by its own switch.

locals {
  source_root = "${path.module}/../../../../services/ticket_agent"

  # Names and parameters are those of services/ticket_agent/tools; tests/infra compares them.
  tools = jsondecode(file("${path.module}/tools.json"))

  documents = {
    for file in ["access_policy.md", "routing_guide.md"] : file => "${local.source_root}/policy/${file}"
  }
}

module "model" {
  source = "../../modules/model"

  model_id         = var.model_id
  purpose          = "Ticket"
  asked_by_bedrock = true
}

module "guardrail" {
  source = "../../modules/guardrail"
  count  = var.guardrail ? 1 : 0

  name    = var.name
  key_arn = var.key_arn
}

module "bedrock_agent" {
  source = "../../modules/agent"
  count  = var.bedrock_agent ? 1 : 0

  name        = "${var.name}-tickets"
  model       = { id = var.model_id, policy_json = module.model.policy_json }
  instruction = file("${local.source_root}/agent/prompts/system.md")
  tools       = local.tools
  guardrail   = one(module.guardrail)
  key_arn     = var.key_arn
}

module "harness" {
  source = "../../modules/harness"
  count  = var.harness ? 1 : 0

  name              = "${replace(var.name, "-", "_")}_tickets"
  model_policy_json = module.model.policy_json
}

module "knowledge_base" {
  source = "../../modules/knowledge_base"
  count  = var.knowledge_base ? 1 : 0

  name      = "${var.name}-policy"
  documents = local.documents
  bucket    = var.bucket
  key_arn   = var.key_arn
}

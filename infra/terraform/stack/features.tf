# What of the optional parts is on, for those files here that have to know.
locals {
  dashboards_enabled = var.dashboards_owner_arn != null
  bedrock_agent      = var.ticket_back_end == "bedrock_agent"
  harness            = var.ticket_back_end == "agentcore_harness"

  # Endpoints that only they need.
  optional_interface_services = concat(
    local.bedrock_agent || var.knowledge_base ? ["bedrock-agent-runtime"] : [],
    local.harness ? ["bedrock-agentcore"] : [],
    var.feedback_batch ? ["bedrock"] : [],
  )
}

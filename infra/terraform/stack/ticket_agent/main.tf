# The ticket agent: tickets and decisions come in by queues, the Ticket table's stream is bridged to two FIFO queues.

locals {
  queues = ["ticket-intake", "ticket-decisions", "ticket-work", "ticket-updates"]

  # What people write and the agent reads.
  directory_tables = {
    USER_TABLE           = "User"
    ENVIRONMENT_TABLE    = "Environment"
    RESOLVER_GROUP_TABLE = "ResolverGroup"
    USER_ACCESS_TABLE    = "UserAccess"
  }

  tables = merge(local.directory_tables, {
    TICKET_TABLE      = "Ticket"
    LEDGER_TABLE      = "Ledger"
    LEASE_TABLE       = "Lease"
    IDEMPOTENCY_TABLE = "Idempotency"
  })

  environment = merge(
    { for name in local.queues : "${upper(replace(name, "-", "_"))}_QUEUE_URL" => var.queue_urls[name] },
    { for name in local.queues : "${upper(replace(name, "-", "_"))}_DEAD_QUEUE_URL" => var.dead_queue_urls[name] },
    { for variable, table in local.tables : variable => var.table_names[table] },
    {
      DEPLOYMENT                    = var.name
      TICKET_UPDATES_TOPIC_ARN      = var.ticket_updates_topic_arn
      TICKET_MODEL_ID               = var.model_id
      TICKET_BACKEND                = var.back_end
      MODEL_QUOTAS                  = "service-quotas"
      BEDROCK_AGENT_ID              = try(var.bedrock_agent.agent_id, null)
      BEDROCK_AGENT_ALIAS_ID        = try(var.bedrock_agent.alias_id, null)
      AGENTCORE_HARNESS_ARN         = var.harness_arn
      KNOWLEDGE_BASE_ID             = try(var.knowledge_base.id, null)
      TRUSTED_RELAYS                = length(var.trusted_relays) == 0 ? null : join(",", var.trusted_relays)
      DYNAMODB_STREAMS_ENDPOINT_URL = var.dynamodb_streams_endpoint_url
      VISIBILITY_SECONDS            = tostring(var.visibility_timeout_seconds)
    },
    { for field, value in var.settings : upper(field) => value },
  )
}

module "model" {
  source = "../../modules/model"

  model_id = var.model_id
  purpose  = "Ticket"
}

module "service" {
  source = "../../modules/service"

  name               = "${var.name}-ticket-agent"
  cluster_name       = var.cluster_name
  cluster_arn        = var.cluster_arn
  python_module      = "services.ticket_agent"
  image              = var.image
  repository_arn     = var.repository_arn
  environment        = local.environment
  task_policy_json   = data.aws_iam_policy_document.task.json
  cpu_units          = var.size.cpu_units
  memory_mib         = var.size.memory_mib
  drain_seconds      = var.drain_seconds
  subnet_ids         = var.subnet_ids
  security_group_id  = var.security_group_id
  minimum_tasks      = var.size.minimum_tasks
  maximum_tasks      = var.size.maximum_tasks
  on_demand_tasks    = var.size.on_demand_tasks
  spot               = var.size.spot
  queue_names        = [for name in local.queues : var.queue_names[name]]
  backlog_per_task   = var.backlog_per_task
  log_retention_days = var.log_retention_days
  metric_namespace   = var.metric_namespace
  key_arn            = var.data_key_arn
}

check "the_back_end_has_what_it_runs_on" {
  assert {
    condition     = (var.back_end == "bedrock_agent") == (var.bedrock_agent != null)
    error_message = "back_end = \"bedrock_agent\" and an agent belong together: with one alone the tasks end at once, or the agent is never asked."
  }

  assert {
    condition     = (var.back_end == "agentcore_harness") == (var.harness_arn != null)
    error_message = "back_end = \"agentcore_harness\" and a harness belong together: with one alone the tasks end at once, or the harness is never asked."
  }
}

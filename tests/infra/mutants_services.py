"""Mistakes in services, roles, pipeline, dashboards and alarms."""

from tests.infra.mutants import Mutant

TASK = "modules/task/main.tf"
SERVICE = "modules/service/service.tf"
SCALING = "modules/service/scaling.tf"
PIPELINE = "modules/pipeline/pipeline.tf"

SERVICES: tuple[Mutant, ...] = (
    Mutant(
        "the stop timeout is too short",
        TASK,
        "stop_timeout_seconds = var.drain_seconds + 10",
        "stop_timeout_seconds = var.drain_seconds",
    ),
    Mutant("the root file system is writable", TASK, "readonlyRootFilesystem = true", "readonlyRootFilesystem = false"),
    Mutant("there is no init process", TASK, "initProcessEnabled = true", "initProcessEnabled = false"),
    Mutant(
        "capabilities are kept", TASK, 'capabilities       = { drop = ["ALL"] }', "capabilities       = { drop = [] }"
    ),
    Mutant("the images' architecture is wrong", TASK, '"ARM64"', '"X86_64"'),
    Mutant("a replaced revision is deregistered", TASK, "skip_destroy = true", "skip_destroy = false"),
    Mutant("an attribute is misspelt", TASK, "network_mode             =", "network_modus            =", by="validate"),
    Mutant("a service starts before there is an image", SERVICE, "desired_count = 0", "desired_count = 1"),
    Mutant(
        "a single task has no room for its successor",
        SERVICE,
        "deployment_maximum_percent         = 200",
        "deployment_maximum_percent         = 150",
    ),
    Mutant(
        "a bad build stays",
        SERVICE,
        "  deployment_circuit_breaker {\n    enable   = true\n    rollback = true",
        "  deployment_circuit_breaker {\n    enable   = true\n    rollback = false",
    ),
    Mutant("tasks have public addresses", SERVICE, "assign_public_ip = false", "assign_public_ip = true"),
    Mutant(
        "a backlog rolls a good build back",
        SERVICE,
        "metric_alarm.crashes.alarm_name",
        "metric_alarm.backlog.alarm_name",
        # The service would wait for its scaling, which waits for the service: terraform itself refuses it.
        by="validate",
    ),
    Mutant(
        "scaling starts tasks without an image",
        SCALING,
        "dynamic_scaling_out_suspended = true",
        "dynamic_scaling_out_suspended = false",
    ),
    Mutant(
        "idle stops tasks at their work",
        SCALING,
        '["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"]',
        '["ApproximateNumberOfMessagesVisible"]',
    ),
    Mutant("deployments overtake each other", PIPELINE, 'execution_mode = "QUEUED"', 'execution_mode = "PARALLEL"'),
    Mutant(
        "the pipeline deploys whatever was pushed last",
        "modules/pipeline/trigger.tf",
        '"$.detail.image-digest"',
        '"$.detail.image-tag"',
    ),
    Mutant(
        "any role may be handed over",
        "modules/pipeline/roles.tf",
        "resources = var.role_arns",
        'resources = ["*"]',
    ),
    Mutant("a failed deployment cannot say why", "modules/pipeline/roles.tf", '"ecs:ListTasks"', '"ecs:ListClusters"'),
    Mutant("tags can be moved", "modules/repository/main.tf", '"IMMUTABLE"', '"MUTABLE"'),
    Mutant(
        "the agent acts by itself",
        "modules/agent/main.tf",
        'custom_control = "RETURN_CONTROL"',
        'lambda = "arn:aws:lambda:eu-central-1:123456789012:function:act"',
    ),
    Mutant(
        "a model is asked without its profile",
        "modules/model/main.tf",
        "values   = [statement.value]",
        'values   = ["*"]',
    ),
    Mutant("dashboards show old figures", "modules/dashboards/main.tf", '"DIRECT_QUERY"', '"SPICE"'),
    Mutant(
        "the database is asked in plain text", "modules/dashboards/main.tf", "disable_ssl = false", "disable_ssl = true"
    ),
    Mutant(
        "an alarm watches a metric that nobody publishes",
        "stack/monitoring/alarms.tf",
        'metric = "ApproximateAgeOfOldestMessage"',
        'metric = "AgeOfOldestMessage"',
        by="agreement",
    ),
    Mutant(
        "an alarm watches a metric that no line carries",
        "stack/monitoring/alarms.tf",
        'metric = "RecordsLost"',
        'metric = "RecordsGone"',
        by="agreement",
    ),
    Mutant(
        "an alarm watches another service's metric",
        "stack/monitoring/metrics.tf",
        'ticket_metrics   = { deployment = var.name, service = "ticket_agent" }',
        'ticket_metrics   = { deployment = var.name, service = "ticket-agent" }',
        by="agreement",
    ),
    Mutant(
        "two installations write into the same metrics",
        "stack/feedback_tagger/main.tf",
        "      DEPLOYMENT            = var.name\n",
        "",
        by="agreement",
    ),
    Mutant(
        "a task is told a name that it does not read",
        "stack/feedback_tagger/main.tf",
        "FEEDBACK_MODEL_ID     = var.model_id",
        "FEEDBACK_MODEL        = var.model_id",
        by="agreement",
    ),
    Mutant(
        "a role names an action that there is not",
        "stack/ticket_agent/policy.tf",
        '["sns:Publish"]',
        '["sns:PublishMessage"]',
        by="agreement",
    ),
    Mutant(
        "the last task goes while a run waits for its batch job",
        "stack/feedback_tagger/main.tf",
        "work_metric        = local.open_runs",
        "work_metric        = null",
        by="agreement",
    ),
    Mutant(
        "open work is told under another service's name",
        "stack/feedback_tagger/main.tf",
        'dimensions = { deployment = var.name, service = "feedback_tagger" }',
        'dimensions = { deployment = var.name, service = "feedback-tagger" }',
        by="agreement",
    ),
    Mutant("open work is not counted", SCALING, "mwork = var.work_metric", "work = var.work_metric"),
    Mutant(
        "a log without its line of open runs is let through",
        "stack/feedback_tagger/variables.tf",
        " || var.size.minimum_tasks > 0",
        " || true",
    ),
    Mutant(
        "the tagger may read the master's password",
        "stack/feedback_tagger/policy.tf",
        "    resources = [var.run_results_topic_arn]",
        "    resources = [var.run_results_topic_arn, var.database.master_secret_arn]",
    ),
    Mutant(
        "whoever seeds the directory may write the ledger",
        "stack/ticket_agent/seeding.tf",
        "[for table in values(local.directory_tables) : var.table_arns[table]]",
        "[for table in values(local.tables) : var.table_arns[table]]",
    ),
    Mutant(
        "the agent may write the directory",
        "stack/ticket_agent/policy.tf",
        'actions   = ["dynamodb:GetItem", "dynamodb:ConditionCheckItem"]',
        'actions   = ["dynamodb:GetItem", "dynamodb:ConditionCheckItem", "dynamodb:PutItem"]',
    ),
    Mutant(
        "the seeding task is told another folder than its role may read",
        "stack/ticket_agent/seeding.tf",
        "s3://${var.bucket_name}/directory/directory.yaml",
        "s3://${var.bucket_name}/directory.yaml",
    ),
    Mutant(
        "the first migration cannot see that the secret is empty",
        "stack/feedback_tagger/policy.tf",
        '"secretsmanager:DescribeSecret", ',
        "",
    ),
    Mutant(
        "an agent of Bedrock's may not stream",
        "modules/model/main.tf",
        '["bedrock:InvokeModelWithResponseStream"]',
        '["bedrock:InvokeModel"]',
    ),
    Mutant(
        "the harness is asked with half of the rights",
        "stack/ticket_agent/policy.tf",
        '"bedrock-agentcore:InvokeAgentRuntime", ',
        "",
    ),
    Mutant(
        "a task of a size that Fargate does not have",
        "modules/task/variables.tf",
        "(var.memory_mib % 1024 == 0 || var.memory_mib == 512)",
        "true",
    ),
    Mutant(
        "the deploy scripts go after a month",
        "stack/pipeline/main.tf",
        'expiring_prefix = substr("${var.name}-", 0, 20)',
        'expiring_prefix = ""',
    ),
    Mutant(
        "the core takes Cost Explorer",
        "stack/monitoring/variables.tf",
        """told; null: nobody is."
  type        = number
  default     = null""",
        """told; null: nobody is."
  type        = number
  default     = 50""",
    ),
    Mutant(
        "QuickSight cannot open the password",
        "stack/dashboards.tf",
        'actions   = ["kms:Decrypt"]',
        'actions   = ["kms:DescribeKey"]',
        by="agreement",
    ),
    Mutant(
        "a pipeline goes on with an old script",
        "stack/pipeline/main.tf",
        'key          = "scripts/${filesha256("${path.module}/../../../pipeline/${each.value}")}/${each.value}"',
        'key          = "scripts/${each.value}"',
    ),
    Mutant(
        "a role lacks what its service calls",
        "stack/ticket_agent/policy.tf",
        'actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"]',
        'actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"]',
        by="policies",
    ),
    Mutant(
        "a role is allowed what its service never calls",
        "stack/ticket_agent/policy.tf",
        'actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"]',
        'actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem", '
        '"dynamodb:DeleteItem"]',
        by="policies",
    ),
)

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                  = "desk"
  cluster_name          = "desk"
  cluster_arn           = "arn:aws:ecs:eu-central-1:123456789012:cluster/desk"
  image                 = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  repository_arn        = "arn:aws:ecr:eu-central-1:123456789012:repository/desk"
  subnet_ids            = ["subnet-1", "subnet-2"]
  security_group_id     = "sg-1"
  size                  = { cpu_units = 256, memory_mib = 512, minimum_tasks = 0, maximum_tasks = 2, on_demand_tasks = 0, spot = true }
  queue_urls            = { for queue in ["feedback-files", "feedback-chunks", "feedback-items", "ticket-outcomes"] : queue => "https://sqs/${queue}" }
  queue_arns            = { for queue in ["feedback-files", "feedback-chunks", "feedback-items", "ticket-outcomes"] : queue => "arn:aws:sqs:eu-central-1:123456789012:${queue}" }
  queue_names           = { for queue in ["feedback-files", "feedback-chunks", "feedback-items", "ticket-outcomes"] : queue => queue }
  dead_queue_urls       = { for queue in ["feedback-files", "feedback-chunks", "feedback-items", "ticket-outcomes"] : queue => "https://sqs/${queue}-dead" }
  dead_queue_arns       = { for queue in ["feedback-files", "feedback-chunks", "feedback-items", "ticket-outcomes"] : queue => "arn:aws:sqs:eu-central-1:123456789012:${queue}-dead" }
  run_results_topic_arn = "arn:aws:sns:eu-central-1:123456789012:desk-run-results"
  table_names           = { Idempotency = "desk-Idempotency", Lease = "desk-Lease" }
  table_arns            = { Idempotency = "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-Idempotency", Lease = "arn:aws:dynamodb:eu-central-1:123456789012:table/desk-Lease" }
  bucket_name           = "desk-uploads"
  bucket_arn            = "arn:aws:s3:::desk-uploads"

  visibility_timeout_seconds = 60
  drain_seconds              = 110
  data_key_arn               = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  messages_key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/2"
  model_id                   = "amazon.nova-micro-v1:0"
  log_retention_days         = 90
  metric_namespace           = "desk"

  database = {
    url                  = "postgresql://app@db:5432/deskhand"
    connect_arn          = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/app"
    app_user             = "app"
    master_url           = "postgresql://admin@db:5432/deskhand"
    master_secret_arn    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!1"
    dashboard_user       = "dashboards"
    dashboard_secret_arn = null
  }
}

run "the_tagger_never_holds_the_masters_password" {
  assert {
    condition     = !contains(flatten([for statement in data.aws_iam_policy_document.task.statement : statement.resources]), var.database.master_secret_arn)
    error_message = "Whoever got code to run in the tagger could change the database's schema and users."
  }
  assert {
    condition     = flatten([for statement in data.aws_iam_policy_document.migration.statement : statement.resources if statement.sid == "ReadTheMasterPassword"]) == [var.database.master_secret_arn]
    error_message = "No migration could run, and no deployment after it."
  }
}

run "the_first_migration_can_tell_an_empty_secret_from_none" {
  variables {
    database = {
      url                  = "postgresql://app@db:5432/deskhand"
      connect_arn          = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/app"
      app_user             = "app"
      master_url           = "postgresql://admin@db:5432/deskhand"
      master_secret_arn    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!1"
      dashboard_user       = "dashboards"
      dashboard_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:desk-dashboards-1"
    }
  }
  assert {
    condition = [for statement in data.aws_iam_policy_document.migration.statement : statement.actions if contains(statement.resources, var.database.dashboard_secret_arn)] == [
      toset(["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]),
    ]
    error_message = "A secret without a version answers as one that is not there: the dashboards' user would never be made."
  }
}

run "no_report_lands_among_the_uploads" {
  assert {
    condition     = alltrue([for resource in flatten([for statement in data.aws_iam_policy_document.task.statement : statement.resources if contains(statement.actions, "s3:PutObject")]) : !startswith(resource, "${var.bucket_arn}/uploads") && resource != "${var.bucket_arn}/*"])
    error_message = "A report would come back as a file, and its report too."
  }
}

run "without_the_batch_lane_nothing_may_start_a_job" {
  assert {
    condition     = length(aws_iam_role.batch) == 0 && lookup(output.environment, "BATCH_ROLE_ARN", null) == null && length(data.aws_iam_policy_document.task.source_policy_documents) == 2
    error_message = "Jobs could be started, and paid, that nobody asked for."
  }
}

run "with_the_batch_lane_a_job_reads_and_writes_its_own_folder_only" {
  variables {
    batch = true
  }
  assert {
    condition     = length(data.aws_iam_policy_document.task.source_policy_documents) == 3
    error_message = "The tagger could not start a job."
  }
  assert {
    condition     = alltrue([for resource in flatten([for statement in data.aws_iam_policy_document.batch_job.statement : statement.resources if contains(statement.actions, "s3:PutObject")]) : startswith(resource, "${var.bucket_arn}/") && resource != "${var.bucket_arn}/*"])
    error_message = "A job could write over uploads."
  }
}

run "a_log_without_its_line_of_open_runs_is_refused_where_tasks_go_to_zero" {
  command = plan
  variables {
    settings = { log_level = "WARNING" }
  }
  expect_failures = [var.settings]
}

run "a_setting_that_the_service_would_not_read_is_refused" {
  command = plan
  variables {
    settings = { rows_per_promt = "40" }
  }
  expect_failures = [var.settings]
}

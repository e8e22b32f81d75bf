mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked", id = "mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mocked" }
  }
}

variables {
  name             = "desk-ticket-agent"
  python_module    = "services.ticket_agent"
  health_port      = 8080
  image            = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  repository_arn   = "arn:aws:ecr:eu-central-1:123456789012:repository/desk"
  environment      = { LOG_LEVEL = "INFO", KNOWLEDGE_BASE_ID = null }
  task_policy_json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/11111111-1111-1111-1111-111111111111"
  drain_seconds    = 100
}

run "drain_and_stop_timeout_come_from_one_value" {
  command = plan

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 110
    error_message = "ECS would kill a task before its drain is over"
  }
  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "DRAIN_SECONDS", value = "100" })
    error_message = "the service would drain for another time than ECS waits"
  }
}

run "the_container_can_write_nowhere_but_tmp" {
  command = plan

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
    error_message = "the root file system is writable"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints == [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    error_message = "there is no place for temporary files, or more than one"
  }
}

run "the_container_is_not_root_and_has_no_capabilities" {
  command = plan

  assert {
    condition     = !startswith(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user, "0")
    error_message = "the container runs as root"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"]
    error_message = "the container keeps capabilities"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.initProcessEnabled
    error_message = "without an init process SIGTERM may be ignored"
  }
}

run "health_is_asked_of_the_module_that_runs" {
  command = plan

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command == ["CMD", "python3", "-m", "services.ticket_agent", "health"]
    error_message = "the health check asks something else"
  }
}

run "an_absent_setting_is_left_out" {
  command = plan

  assert {
    condition     = !contains([for pair in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : pair.name], "KNOWLEDGE_BASE_ID")
    error_message = "a null value reaches the container"
  }
}

run "it_runs_on_arm" {
  command = plan

  assert {
    condition     = aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64"
    error_message = "the images are built for ARM64"
  }
}

run "an_earlier_revision_stays_to_roll_back_to" {
  command = plan

  assert {
    condition     = aws_ecs_task_definition.this.skip_destroy
    error_message = "Terraform would deregister the revision that runs"
  }
}

run "the_log_is_kept_for_a_time_and_encrypted" {
  command = plan

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 90 && aws_cloudwatch_log_group.this.kms_key_id == var.key_arn
    error_message = "the log is kept for ever, or lies open"
  }
}

run "a_task_that_ends_by_itself_has_no_health_check" {
  command = plan
  variables {
    health_port = null
    arguments   = ["migrate"]
  }

  assert {
    condition     = !contains(keys(jsondecode(aws_ecs_task_definition.this.container_definitions)[0]), "healthCheck")
    error_message = "nothing answers there: ECS would kill the migration"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["migrate"]
    error_message = "the task does something else"
  }
}

run "a_drain_beyond_what_fargate_waits_is_refused" {
  command = plan
  variables {
    drain_seconds = 111
  }
  expect_failures = [var.drain_seconds]
}

run "root_is_refused" {
  command = plan
  variables {
    user = "0:0"
  }
  expect_failures = [var.user]
}

run "an_image_by_tag_is_refused" {
  command = plan
  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk:latest"
  }
  expect_failures = [var.image]
}

run "a_shape_that_fargate_does_not_have_is_refused" {
  command = plan
  variables {
    cpu_units  = 256
    memory_mib = 8192
  }
  expect_failures = [var.memory_mib]
}

run "a_memory_between_fargates_steps_is_refused" {
  command = plan
  variables {
    cpu_units  = 512
    memory_mib = 1536
  }
  expect_failures = [var.memory_mib]
}

run "the_largest_task_has_less_memory_than_eight_to_one" {
  command = plan
  variables {
    cpu_units  = 4096
    memory_mib = 32768
  }
  expect_failures = [var.memory_mib]
}

run "a_retention_that_cloudwatch_does_not_know_is_refused" {
  command = plan
  variables {
    log_retention_days = 100
  }
  expect_failures = [var.log_retention_days]
}

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                 = "desk"
  artifact_bucket_name = "desk-artifacts"
  cluster_name         = "desk"
  cluster_arn          = "arn:aws:ecs:eu-central-1:123456789012:cluster/desk"
  key_arn              = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days   = 90
  protect              = true

  services = {
    ticket-agent = {
      repository   = { name = "desk-ticket-agent", arn = "arn:aws:ecr:eu-central-1:123456789012:repository/desk-ticket-agent", url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk-ticket-agent" }
      service_name = "desk-ticket-agent"
      service_arn  = "arn:aws:ecs:eu-central-1:123456789012:service/desk/desk-ticket-agent"
      families     = ["desk-ticket-agent"]
      role_arns    = ["arn:aws:iam::123456789012:role/desk-ticket-agent-task"]
      build_target = "ticket_agent"
    }
  }
}

run "a_changed_script_is_another_object" {
  assert {
    condition     = alltrue([for script, file in local.scripts : strcontains(aws_s3_object.script[script].key, filesha256("../../../pipeline/${file}"))])
    error_message = "A pipeline would go on with the script of an earlier apply."
  }
  assert {
    condition     = alltrue([for object in aws_s3_object.script : object.bucket == var.artifact_bucket_name])
    error_message = "The pipelines' role may read no other bucket."
  }
}

run "artifacts_expire_and_scripts_do_not" {
  assert {
    condition     = startswith("desk-ticket-agent", module.artifacts.expiring_prefix) && alltrue([for object in aws_s3_object.script : !startswith(object.key, module.artifacts.expiring_prefix)])
    error_message = "A month after the last apply every deployment would fail for want of its script."
  }
}

run "a_long_name_still_takes_in_its_artifacts" {
  variables {
    name = "a-name-of-20-letters"
  }

  assert {
    condition     = startswith(substr("a-name-of-20-letters-ticket-agent", 0, 20), module.artifacts.expiring_prefix)
    error_message = "CodePipeline cuts the pipeline's name to twenty characters: nothing would ever expire."
  }
}

run "each_service_has_a_pipeline_of_its_own" {
  assert {
    condition     = keys(output.pipeline_names) == ["ticket-agent"]
    error_message = "A push would deploy nothing."
  }
}

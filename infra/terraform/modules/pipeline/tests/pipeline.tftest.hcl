mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name             = "desk-feedback-tagger"
  repository       = { name = "desk-feedback-tagger", arn = "arn:aws:ecr:eu-central-1:123456789012:repository/desk-feedback-tagger", url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk-feedback-tagger" }
  cluster_name     = "desk"
  cluster_arn      = "arn:aws:ecs:eu-central-1:123456789012:cluster/desk"
  service_name     = "desk-feedback-tagger"
  service_arn      = "arn:aws:ecs:eu-central-1:123456789012:service/desk/desk-feedback-tagger"
  families         = ["desk-feedback-tagger", "desk-feedback-migration"]
  migration_family = "desk-feedback-migration"
  role_arns        = ["arn:aws:iam::123456789012:role/desk-feedback-tagger-task"]
  artifact_bucket  = { name = "desk-artifacts", arn = "arn:aws:s3:::desk-artifacts" }
  scripts          = { deploy = "scripts/1/deploy.py", run_task = "scripts/1/run_task.py" }
  key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "a_push_starts_the_pipeline_with_its_own_digest" {
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.pushed.event_pattern).detail.repository-name == ["desk-feedback-tagger"] && jsondecode(aws_cloudwatch_event_rule.pushed.event_pattern).detail.action-type == ["PUSH"]
    error_message = "A push starts nothing, or something else does."
  }
  assert {
    condition     = jsondecode(replace(replace(aws_cloudwatch_event_target.pipeline.input_transformer[0].input_template, "<digest>", "\"D\""), "<tag>", "\"T\"")).variables == [{ name = "IMAGE_DIGEST", value = "D" }, { name = "IMAGE_TAG", value = "T" }]
    error_message = "The pipeline would not know which image was pushed."
  }
  assert {
    condition     = jsondecode(replace(replace(aws_cloudwatch_event_target.pipeline.input_transformer[0].input_template, "<digest>", "\"D\""), "<tag>", "\"T\"")).sourceRevisions[0] == { actionName = aws_codepipeline.this.stage[0].action[0].name, revisionType = "IMAGE_DIGEST", revisionValue = "D" }
    error_message = "The source stage would look for another image."
  }
  assert {
    condition     = aws_cloudwatch_event_target.pipeline.input_transformer[0].input_paths["digest"] == "$.detail.image-digest"
    error_message = "The digest is read from the wrong place of the event."
  }
}

run "deployments_wait_for_each_other" {
  assert {
    condition     = aws_codepipeline.this.pipeline_type == "V2" && aws_codepipeline.this.execution_mode == "QUEUED"
    error_message = "Two deployments would undo each other, or a pushed image would be dropped."
  }
}

run "the_migration_comes_before_the_deployment" {
  assert {
    condition     = join(" ", aws_codepipeline.this.stage[*].name) == "Source Migrate Deploy"
    error_message = "New code would meet the old schema."
  }
  assert {
    condition     = [for stage in slice(aws_codepipeline.this.stage, 1, 3) : [for one in jsondecode(stage.action[0].configuration["EnvironmentVariables"]) : one.value]] == [["migrate", "#{variables.IMAGE_DIGEST}"], ["deploy", "#{variables.IMAGE_DIGEST}"]]
    error_message = "A step does something else, or with another image."
  }
}

run "a_service_without_a_database_has_no_migration" {
  variables {
    migration_family = null
  }
  assert {
    condition     = join(" ", aws_codepipeline.this.stage[*].name) == "Source Deploy"
    error_message = "A step would run a task that does not exist."
  }
}

run "the_scripts_of_the_bucket_are_run" {
  assert {
    condition     = strcontains(aws_codebuild_project.deploy.source[0].buildspec, "$SCRIPTS/scripts/1/deploy.py") && strcontains(aws_codebuild_project.deploy.source[0].buildspec, "--image-digest \"$IMAGE_DIGEST\"")
    error_message = "The build runs nothing of ours."
  }
}

run "the_scripts_lie_where_they_find_each_other" {
  assert {
    condition = alltrue([
      for script in ["deploy.py", "run_task.py"] : strcontains(aws_codebuild_project.deploy.source[0].buildspec, "infra/pipeline/${script}\n") && strcontains(aws_codebuild_project.deploy.source[0].buildspec, "python3 infra/pipeline/${script} ")
    ])
    error_message = "One script imports the other by its place in the repository: the build would end with ModuleNotFoundError."
  }
}

run "the_deploy_role_sees_how_tasks_end_in_this_cluster_alone" {
  assert {
    condition = jsonencode([
      for statement in data.aws_iam_policy_document.deploy.statement : [for one in statement.condition : one.values]
      if contains(statement.actions, "ecs:ListTasks")
    ]) == jsonencode([[[var.cluster_arn]]])
    error_message = "A failed deployment would not say why, or other clusters' tasks could be listed."
  }
}

run "the_deploy_role_hands_over_the_tasks_roles_alone" {
  assert {
    condition = jsonencode([
      for statement in data.aws_iam_policy_document.deploy.statement : [statement.resources, statement.condition[*].values]
      if contains(statement.actions, "iam:PassRole")
    ]) == jsonencode([[var.role_arns, [["ecs-tasks.amazonaws.com"]]]])
    error_message = "Whoever can push an image could give it any role."
  }
}

run "only_this_rule_starts_the_pipeline" {
  assert {
    condition     = [for statement in data.aws_iam_policy_document.trigger.statement : [statement.actions, statement.resources]] == [[toset(["codepipeline:StartPipelineExecution"]), toset([aws_codepipeline.this.arn])]]
    error_message = "EventBridge may do more than start this pipeline."
  }
}

run "without_a_connection_nothing_is_built" {
  assert {
    condition     = length(aws_codebuild_project.build) == 0 && length(aws_codepipeline.build) == 0
    error_message = "A pipeline without a source fails for ever."
  }
}

run "with_a_connection_the_source_is_tested_before_it_is_pushed" {
  variables {
    build = { connection_arn = "arn:aws:codeconnections:eu-central-1:123456789012:connection/11111111-2222-3333-4444-555555555555", repository = "owner/deskhand", branch = "main", target = "feedback_tagger" }
  }
  assert {
    condition     = yamldecode(aws_codebuild_project.build[0].source[0].buildspec).phases.build.commands[0] == "make check test"
    error_message = "An untested image would be pushed, and a push deploys."
  }
  assert {
    condition     = strcontains(yamldecode(aws_codebuild_project.build[0].source[0].buildspec).phases.build.commands[1], "make images SERVICES=\"$TARGET\" PLATFORM=linux/arm64")
    error_message = "The image would lack what `make images` puts into it, such as the authorities of RDS."
  }
  assert {
    condition     = aws_codebuild_project.build[0].environment[0].privileged_mode && aws_codebuild_project.build[0].environment[0].type == "ARM_CONTAINER"
    error_message = "No image can be built, or one that the tasks cannot run."
  }
}

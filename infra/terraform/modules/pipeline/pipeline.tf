resource "aws_codepipeline" "this" {
  name          = var.name
  role_arn      = aws_iam_role.pipeline.arn
  pipeline_type = "V2"
  # One after the other, each with its own digest: two at once would undo each other's deployment, and superseding one
  # would drop an image that somebody pushed.
  execution_mode = "QUEUED"

  artifact_store {
    location = var.artifact_bucket.name
    type     = "S3"

    encryption_key {
      id   = var.key_arn
      type = "KMS"
    }
  }

  variable {
    name        = "IMAGE_DIGEST"
    description = "sha256:... of the image to deploy"
    # The execution that AWS starts when the pipeline is made has no image: the deploy script refuses this.
    default_value = "none"
  }

  variable {
    name          = "IMAGE_TAG"
    description   = "Tag of the image, for whoever reads the history"
    default_value = "none"
  }

  stage {
    name = "Source"

    action {
      name             = "Image"
      category         = "Source"
      owner            = "AWS"
      provider         = "ECR"
      version          = "1"
      output_artifacts = ["image"]

      configuration = {
        RepositoryName = var.repository.name
      }
    }
  }

  dynamic "stage" {
    for_each = var.migration_family == null ? [] : [var.migration_family]

    content {
      name = "Migrate"

      action {
        name            = "Migrate"
        category        = "Build"
        owner           = "AWS"
        provider        = "CodeBuild"
        version         = "1"
        input_artifacts = ["image"]

        configuration = {
          ProjectName = aws_codebuild_project.deploy.name
          EnvironmentVariables = jsonencode([
            { name = "STEP", value = "migrate", type = "PLAINTEXT" },
            { name = "IMAGE_DIGEST", value = "#{variables.IMAGE_DIGEST}", type = "PLAINTEXT" },
          ])
        }
      }
    }
  }

  stage {
    name = "Deploy"

    action {
      name            = "Deploy"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      input_artifacts = ["image"]

      configuration = {
        ProjectName = aws_codebuild_project.deploy.name
        EnvironmentVariables = jsonencode([
          { name = "STEP", value = "deploy", type = "PLAINTEXT" },
          { name = "IMAGE_DIGEST", value = "#{variables.IMAGE_DIGEST}", type = "PLAINTEXT" },
        ])
      }
    }
  }
}

resource "aws_codebuild_project" "deploy" {
  name           = "${var.name}-deploy"
  description    = "Runs the migration of ${var.name}, or deploys it by digest and watches it"
  service_role   = aws_iam_role.deploy.arn
  build_timeout  = 60
  encryption_key = var.key_arn

  artifacts {
    type = "CODEPIPELINE"
  }

  environment {
    type         = "ARM_CONTAINER"
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = "aws/codebuild/amazonlinux-aarch64-standard:3.0"

    environment_variable {
      name  = "CLUSTER"
      value = var.cluster_name
    }

    environment_variable {
      name  = "SERVICE"
      value = var.service_name
    }

    environment_variable {
      name  = "MIGRATION_FAMILY"
      value = coalesce(var.migration_family, "none")
    }

    environment_variable {
      name  = "SCRIPTS"
      value = "s3://${var.artifact_bucket.name}"
    }
  }

  source {
    type = "CODEPIPELINE"
    buildspec = templatefile("${path.module}/deploy.buildspec.yml", {
      deploy_key   = var.scripts.deploy
      run_task_key = var.scripts.run_task
    })
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.deploy.name
    }
  }
}

resource "aws_cloudwatch_log_group" "deploy" {
  name              = "/deskhand/${var.name}-deploy"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

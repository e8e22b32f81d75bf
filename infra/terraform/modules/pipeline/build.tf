# With a source connection: every change of the branch is tested, built and pushed; the push starts the pipeline above.

resource "aws_codebuild_project" "build" {
  #checkov:skip=CKV_AWS_316:building an image needs a Docker daemon, and that needs the privilege; the machine is thrown away after

  count = var.build == null ? 0 : 1

  name           = "${var.name}-build"
  description    = "Tests the source, builds the image of ${var.name} and pushes it"
  service_role   = aws_iam_role.build[0].arn
  build_timeout  = 60
  encryption_key = var.key_arn

  artifacts {
    type = "CODEPIPELINE"
  }

  environment {
    type         = "ARM_CONTAINER"
    compute_type = "BUILD_GENERAL1_LARGE"
    image        = "aws/codebuild/amazonlinux-aarch64-standard:3.0"
    # Building an image needs a Docker daemon, and that needs this.
    privileged_mode = true

    environment_variable {
      name  = "REPOSITORY_URL"
      value = var.repository.url
    }

    environment_variable {
      name  = "TARGET"
      value = var.build.target
    }
  }

  source {
    type      = "CODEPIPELINE"
    buildspec = file("${path.module}/build.buildspec.yml")
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.build[0].name
    }
  }
}

resource "aws_cloudwatch_log_group" "build" {
  count = var.build == null ? 0 : 1

  name              = "/deskhand/${var.name}-build"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_codepipeline" "build" {
  count = var.build == null ? 0 : 1

  # It runs once by itself as soon as it is made, and must be allowed to.
  depends_on = [aws_iam_role_policy.build, aws_iam_role_policy.build_pipeline]

  name          = "${var.name}-build"
  role_arn      = aws_iam_role.build_pipeline[0].arn
  pipeline_type = "V2"
  # Only the latest commit is worth building.
  execution_mode = "SUPERSEDED"

  artifact_store {
    location = var.artifact_bucket.name
    type     = "S3"

    encryption_key {
      id   = var.key_arn
      type = "KMS"
    }
  }

  stage {
    name = "Source"

    action {
      name             = "Source"
      category         = "Source"
      owner            = "AWS"
      provider         = "CodeStarSourceConnection"
      version          = "1"
      namespace        = "Source"
      output_artifacts = ["source"]

      configuration = {
        ConnectionArn    = var.build.connection_arn
        FullRepositoryId = var.build.repository
        BranchName       = var.build.branch
      }
    }
  }

  stage {
    name = "Build"

    action {
      name            = "TestBuildPush"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      input_artifacts = ["source"]

      configuration = {
        ProjectName          = aws_codebuild_project.build[0].name
        EnvironmentVariables = jsonencode([{ name = "COMMIT", value = "#{Source.CommitId}", type = "PLAINTEXT" }])
      }
    }
  }
}

resource "aws_iam_role" "build_pipeline" {
  count = var.build == null ? 0 : 1

  name               = "${var.name}-build-pipeline"
  description        = "CodePipeline hands the source of ${var.name} to its build"
  assume_role_policy = data.aws_iam_policy_document.assume_pipeline.json
}

data "aws_iam_policy_document" "build_pipeline" {
  count = var.build == null ? 0 : 1

  statement {
    sid       = "FetchTheSource"
    actions   = ["codestar-connections:UseConnection", "codeconnections:UseConnection"]
    resources = [var.build.connection_arn]
  }

  statement {
    sid       = "RunTheBuild"
    actions   = ["codebuild:BatchGetBuilds", "codebuild:StartBuild"]
    resources = [aws_codebuild_project.build[0].arn]
  }

  statement {
    sid       = "PassArtifactsOn"
    actions   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectAcl"]
    resources = ["${var.artifact_bucket.arn}/*"]
  }

  statement {
    sid       = "FindTheBucket"
    actions   = ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"]
    resources = [var.artifact_bucket.arn]
  }

  statement {
    sid       = "ReadAndWriteEncryptedArtifacts"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
    resources = [var.key_arn]
  }
}

resource "aws_iam_role_policy" "build_pipeline" {
  count = var.build == null ? 0 : 1

  name   = "pipeline"
  role   = aws_iam_role.build_pipeline[0].id
  policy = data.aws_iam_policy_document.build_pipeline[0].json
}

resource "aws_iam_role" "build" {
  count = var.build == null ? 0 : 1

  name               = "${var.name}-build"
  description        = "Tests, builds and pushes ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume_codebuild.json
}

data "aws_iam_policy_document" "build" {
  count = var.build == null ? 0 : 1

  statement {
    sid = "SignInToTheRegistry"
    # The action knows no resource: the token opens what the next statement allows.
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "PushTheImage"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = [var.repository.arn]
  }

  statement {
    sid       = "ReadTheSource"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${var.artifact_bucket.arn}/*"]
  }

  statement {
    sid       = "ReadEncryptedArtifacts"
    actions   = ["kms:Decrypt"]
    resources = [var.key_arn]
  }

  statement {
    sid       = "WriteTheLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.build[0].arn}:*"]
  }
}

resource "aws_iam_role_policy" "build" {
  count = var.build == null ? 0 : 1

  name   = "build"
  role   = aws_iam_role.build[0].id
  policy = data.aws_iam_policy_document.build[0].json
}

data "aws_iam_policy_document" "assume_pipeline" {
  statement {
    actions = ["sts:AssumeRole"]

    # Without a condition on the account that it works for: CodePipeline documents none, and the role can be passed to a
    # pipeline of this account alone.
    principals {
      type        = "Service"
      identifiers = ["codepipeline.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "pipeline" {
  name               = "${var.name}-pipeline"
  description        = "CodePipeline moves an image of ${var.name} from stage to stage"
  assume_role_policy = data.aws_iam_policy_document.assume_pipeline.json
}

data "aws_iam_policy_document" "pipeline" {
  statement {
    sid       = "SeeTheImage"
    actions   = ["ecr:DescribeImages"]
    resources = [var.repository.arn]
  }

  statement {
    sid       = "RunTheSteps"
    actions   = ["codebuild:BatchGetBuilds", "codebuild:StartBuild"]
    resources = [aws_codebuild_project.deploy.arn]
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

resource "aws_iam_role_policy" "pipeline" {
  name   = "pipeline"
  role   = aws_iam_role.pipeline.id
  policy = data.aws_iam_policy_document.pipeline.json
}

data "aws_iam_policy_document" "assume_codebuild" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codebuild.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "deploy" {
  name               = "${var.name}-deploy"
  description        = "The deploy script of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume_codebuild.json
}

data "aws_iam_policy_document" "deploy" {
  statement {
    sid     = "ReadTaskDefinitionsAndScaling"
    actions = ["application-autoscaling:DescribeScalableTargets", "ecs:DescribeTaskDefinition"]
    # Neither action knows a resource; both only read.
    resources = ["*"]
  }

  statement {
    sid       = "RegisterRevisions"
    actions   = ["ecs:RegisterTaskDefinition"]
    resources = [for family in var.families : "arn:${data.aws_partition.current.partition}:ecs:${local.arn_middle}:task-definition/${family}:*"]
  }

  statement {
    sid       = "MoveTheService"
    actions   = ["ecs:DescribeServices", "ecs:UpdateService"]
    resources = [var.service_arn]
  }

  statement {
    sid     = "ListTheTasksThatEnded"
    actions = ["ecs:ListTasks"]
    # The action knows container instances alone as resources, of which Fargate has none.
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [var.cluster_arn]
    }
  }

  statement {
    sid       = "SeeHowTasksEnd"
    actions   = ["ecs:DescribeTasks"]
    resources = ["arn:${data.aws_partition.current.partition}:ecs:${local.arn_middle}:task/${var.cluster_name}/*"]
  }

  statement {
    sid     = "ResumeItsScaling"
    actions = ["application-autoscaling:RegisterScalableTarget"]
    # A scalable target's ARN ends in an id that AWS chooses; the conditions bind it to the number of tasks of ECS services.
    resources = ["arn:${data.aws_partition.current.partition}:application-autoscaling:${local.arn_middle}:scalable-target/*"]

    condition {
      test     = "StringEquals"
      variable = "application-autoscaling:service-namespace"
      values   = ["ecs"]
    }

    condition {
      test     = "StringEquals"
      variable = "application-autoscaling:scalable-dimension"
      values   = ["ecs:service:DesiredCount"]
    }
  }

  statement {
    sid       = "HandTheTasksRolesToEcs"
    actions   = ["iam:PassRole"]
    resources = var.role_arns

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "ReadTheScriptsAndArtifacts"
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
    resources = ["${aws_cloudwatch_log_group.deploy.arn}:*"]
  }

  dynamic "statement" {
    for_each = var.migration_family == null ? [] : [var.migration_family]

    content {
      sid       = "RunTheMigration"
      actions   = ["ecs:RunTask"]
      resources = ["arn:${data.aws_partition.current.partition}:ecs:${local.arn_middle}:task-definition/${statement.value}:*"]

      condition {
        test     = "ArnEquals"
        variable = "ecs:cluster"
        values   = [var.cluster_arn]
      }
    }
  }
}

resource "aws_iam_role_policy" "deploy" {
  name   = "deploy"
  role   = aws_iam_role.deploy.id
  policy = data.aws_iam_policy_document.deploy.json
}

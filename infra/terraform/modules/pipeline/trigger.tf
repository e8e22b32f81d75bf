resource "aws_cloudwatch_event_rule" "pushed" {
  name        = "${var.name}-pushed"
  description = "An image was pushed to ${var.name}"

  event_pattern = jsonencode({
    source      = ["aws.ecr"]
    detail-type = ["ECR Image Action"]
    detail = {
      action-type     = ["PUSH"]
      result          = ["SUCCESS"]
      repository-name = [var.repository.name]
      # Without a tag it is a part of a push (a platform's image, an attestation), not the image.
      image-tag = [{ exists = true }]
    }
  })
}

resource "aws_cloudwatch_event_target" "pipeline" {
  rule     = aws_cloudwatch_event_rule.pushed.name
  arn      = aws_codepipeline.this.arn
  role_arn = aws_iam_role.trigger.arn

  # The digest of this push, whatever is pushed while the execution waits in the queue.
  input_transformer {
    input_paths = {
      digest = "$.detail.image-digest"
      tag    = "$.detail.image-tag"
    }
    input_template = <<-JSON
      {
        "sourceRevisions": [{"actionName": "Image", "revisionType": "IMAGE_DIGEST", "revisionValue": <digest>}],
        "variables": [{"name": "IMAGE_DIGEST", "value": <digest>}, {"name": "IMAGE_TAG", "value": <tag>}]
      }
    JSON
  }
}

data "aws_iam_policy_document" "assume_trigger" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.pushed.arn]
    }
  }
}

resource "aws_iam_role" "trigger" {
  name               = "${var.name}-trigger"
  description        = "EventBridge starts the pipeline of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume_trigger.json
}

data "aws_iam_policy_document" "trigger" {
  statement {
    sid       = "StartThePipeline"
    actions   = ["codepipeline:StartPipelineExecution"]
    resources = [aws_codepipeline.this.arn]
  }
}

resource "aws_iam_role_policy" "trigger" {
  name   = "start"
  role   = aws_iam_role.trigger.id
  policy = data.aws_iam_policy_document.trigger.json
}

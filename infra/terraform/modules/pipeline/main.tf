# From a pushed image to a running service: ECR -> EventBridge -> CodePipeline -> CodeBuild (migration, then deploy.py).

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  arn_middle = "${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}"
}

# An ECS service on Fargate, ARM64, that drains, rolls back by itself and has as many tasks as its queues need.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

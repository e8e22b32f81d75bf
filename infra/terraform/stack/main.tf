# The whole of Deskhand in one account and region. Each concern is a folder beside this file, and a file of its name
# here calls it; envs/dev and envs/prod call this with values.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # Known before either exists: the queue's policy names the bucket, and the bucket's notification names the queue.
  bucket_name = "${var.name}-uploads-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.region}"
  bucket_arn  = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket_name}"
}

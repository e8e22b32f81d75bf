# The whole of Deskhand in one account and region. Each concern is a folder beside this file and a file of its name
# here that calls it; envs/ call this with values. What the services' part needs is in the files that are named so.

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.region

  # Known before either exists: the queue's policy names the bucket, and the bucket's notification names the queue.
  bucket_name = "${var.name}-uploads-${local.account_id}-${local.region}"
}

# A pipeline for each service, and one bucket for what they pass on.

module "artifacts" {
  source = "../../modules/bucket"

  name           = var.artifact_bucket_name
  key_arn        = var.key_arn
  retention_days = 30
  protect        = var.protect

  # What executions pass on, under their pipeline's name, of which CodePipeline takes twenty characters. Not the scripts
  # below: a push a month after the last apply needs them still.
  expiring_prefix = substr("${var.name}-", 0, 20)
}

locals {
  scripts = {
    deploy   = "deploy.py"
    run_task = "run_task.py"
  }
}

# The pipeline has no source but an image: its scripts come from here, and change with an apply.
resource "aws_s3_object" "script" {
  for_each = local.scripts

  bucket = module.artifacts.name
  # The digest in the key: the build's commands name the script that they were written with.
  key          = "scripts/${filesha256("${path.module}/../../../pipeline/${each.value}")}/${each.value}"
  source       = "${path.module}/../../../pipeline/${each.value}"
  source_hash  = filemd5("${path.module}/../../../pipeline/${each.value}")
  content_type = "text/x-python"
}

module "pipeline" {
  source   = "../../modules/pipeline"
  for_each = var.services

  name             = "${var.name}-${each.key}"
  repository       = each.value.repository
  cluster_name     = var.cluster_name
  cluster_arn      = var.cluster_arn
  service_name     = each.value.service_name
  service_arn      = each.value.service_arn
  families         = each.value.families
  migration_family = each.value.migration_family
  role_arns        = each.value.role_arns
  artifact_bucket  = { name = module.artifacts.name, arn = module.artifacts.arn }
  scripts          = { for what, file in local.scripts : what => aws_s3_object.script[what].key }
  key_arn          = var.key_arn

  log_retention_days = var.log_retention_days

  build = var.source_connection == null ? null : {
    connection_arn = var.source_connection.arn
    repository     = var.source_connection.repository
    branch         = var.source_connection.branch
    target         = each.value.build_target
  }
}

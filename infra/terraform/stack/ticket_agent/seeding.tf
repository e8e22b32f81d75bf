# A task that loads the directory from the bucket and ends. Nothing starts it but a person, and no deployment touches it:
# docs/deploy.md has the command.

locals {
  seed_environment = merge(
    { for variable, table in local.directory_tables : variable => var.table_names[table] },
    {
      DEPLOYMENT    = var.name
      DIRECTORY_URI = "s3://${var.bucket_name}/directory/directory.yaml"
      LOG_LEVEL     = lookup(var.settings, "log_level", null)
    },
  )
}

module "seeding" {
  source = "../../modules/task"

  name               = "${var.name}-ticket-seed"
  python_module      = "services.ticket_agent"
  arguments          = ["seed"]
  image              = var.image
  repository_arn     = var.repository_arn
  environment        = local.seed_environment
  task_policy_json   = data.aws_iam_policy_document.seed.json
  log_retention_days = var.log_retention_days
  key_arn            = var.data_key_arn
}

data "aws_iam_policy_document" "seed" {
  statement {
    sid       = "ReadTheDirectorysFile"
    actions   = ["s3:GetObject"]
    resources = ["${var.bucket_arn}/directory/*"]
  }

  statement {
    sid = "WriteTheDirectory"
    # The one role that may, and it may do no more: the agent reads these tables, and grants nothing to itself by them.
    actions   = ["dynamodb:UpdateItem"]
    resources = [for table in values(local.directory_tables) : var.table_arns[table]]
  }

  statement {
    sid       = "ReadEncryptedRowsAndObjects"
    actions   = ["kms:Decrypt"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values = [
        "dynamodb.${data.aws_region.current.region}.amazonaws.com",
        "s3.${data.aws_region.current.region}.amazonaws.com",
      ]
    }
  }
}

module "dashboards" {
  source = "../modules/dashboards"
  count  = local.dashboards_enabled ? 1 : 0

  name              = var.name
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.network.service_security_group_ids["dashboards"]
  owner_arn         = var.dashboards_owner_arn
  viewer_arns       = var.dashboards_viewer_arns

  database = {
    engine     = module.databases.engine
    host       = module.databases.address
    port       = module.databases.port
    name       = module.databases.database_name
    secret_arn = module.databases.dashboard_secret_arn
  }

  # QuickSight tries the connection, with the password, when the data source is made.
  depends_on = [aws_iam_role_policy.open_the_password, aws_vpc_security_group_ingress_rule.answers_to_dashboards]
}

# AWS asks for it: QuickSight's side of a connection has not always kept state. The database itself calls nobody.
resource "aws_vpc_security_group_ingress_rule" "answers_to_dashboards" {
  #checkov:skip=CKV_AWS_24:from the database's group alone, which calls nobody; no address is let in
  #checkov:skip=CKV_AWS_25:as above
  #checkov:skip=CKV_AWS_260:as above

  count = local.dashboards_enabled ? 1 : 0

  security_group_id            = module.network.service_security_group_ids["dashboards"]
  referenced_security_group_id = module.databases.security_group_id
  description                  = "Answers of the database, to whichever port asked"
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

# QuickSight makes this role when a person lets it read the secret (docs/deploy.md), with the right to the secret and
# none to our key, which it takes to open it.
resource "aws_iam_role_policy" "open_the_password" {
  count = local.dashboards_enabled ? 1 : 0

  name   = "${var.name}-dashboards"
  role   = "aws-quicksight-secretsmanager-role-v0"
  policy = one(data.aws_iam_policy_document.open_the_password[*].json)
}

data "aws_iam_policy_document" "open_the_password" {
  count = local.dashboards_enabled ? 1 : 0

  statement {
    sid       = "OpenTheDashboardsPassword"
    actions   = ["kms:Decrypt"]
    resources = [module.keys.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.current.region}.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:SecretARN"
      values   = [module.databases.dashboard_secret_arn]
    }
  }
}

# QuickSight on the views of the database: a connection into the VPC, a data source with the read-only user, a data set
# a view by direct query (always current, no SPICE to pay and refresh), and one dashboard.

data "aws_caller_identity" "current" {}

locals {
  owner_actions = {
    data_source = [
      "quicksight:DeleteDataSource", "quicksight:DescribeDataSource", "quicksight:DescribeDataSourcePermissions",
      "quicksight:PassDataSource", "quicksight:UpdateDataSource", "quicksight:UpdateDataSourcePermissions",
    ]
    data_set = [
      "quicksight:CancelIngestion", "quicksight:CreateIngestion", "quicksight:DeleteDataSet", "quicksight:DescribeDataSet",
      "quicksight:DescribeDataSetPermissions", "quicksight:DescribeIngestion", "quicksight:ListIngestions",
      "quicksight:PassDataSet", "quicksight:UpdateDataSet", "quicksight:UpdateDataSetPermissions",
    ]
    dashboard = [
      "quicksight:DeleteDashboard", "quicksight:DescribeDashboard", "quicksight:DescribeDashboardPermissions",
      "quicksight:ListDashboardVersions", "quicksight:QueryDashboard", "quicksight:UpdateDashboard",
      "quicksight:UpdateDashboardPermissions", "quicksight:UpdateDashboardPublishedVersion",
    ]
  }
  viewer_actions = ["quicksight:DescribeDashboard", "quicksight:ListDashboardVersions", "quicksight:QueryDashboard"]
}

resource "aws_quicksight_vpc_connection" "this" {
  vpc_connection_id  = var.name
  name               = var.name
  role_arn           = aws_iam_role.vpc_connection.arn
  security_group_ids = [var.security_group_id]
  subnet_ids         = var.subnet_ids

  depends_on = [aws_iam_role_policy.vpc_connection]
}

resource "aws_quicksight_data_source" "database" {
  data_source_id = var.name
  name           = "${var.name} feedback"
  type           = var.database.engine == "postgres" ? "POSTGRESQL" : "MYSQL"

  parameters {
    dynamic "postgresql" {
      for_each = var.database.engine == "postgres" ? [var.database] : []

      content {
        host     = postgresql.value.host
        port     = postgresql.value.port
        database = postgresql.value.name
      }
    }

    dynamic "mysql" {
      for_each = var.database.engine == "mysql" ? [var.database] : []

      content {
        host     = mysql.value.host
        port     = mysql.value.port
        database = mysql.value.name
      }
    }
  }

  credentials {
    # Never the password itself: it would lie in the state.
    secret_arn = var.database.secret_arn
  }

  ssl_properties {
    disable_ssl = false
  }

  vpc_connection_properties {
    vpc_connection_arn = aws_quicksight_vpc_connection.this.arn
  }

  permission {
    principal = var.owner_arn
    actions   = local.owner_actions.data_source
  }
}

resource "aws_quicksight_data_set" "view" {
  for_each = local.views

  data_set_id = "${var.name}-${replace(each.key, "_", "-")}"
  name        = each.key
  import_mode = "DIRECT_QUERY"

  physical_table_map {
    physical_table_map_id = replace(each.key, "_", "-")

    relational_table {
      data_source_arn = aws_quicksight_data_source.database.arn
      schema          = var.database.engine == "postgres" ? "public" : var.database.name
      name            = each.key

      dynamic "input_columns" {
        for_each = each.value

        content {
          name = input_columns.key
          type = input_columns.value
        }
      }
    }
  }

  permissions {
    principal = var.owner_arn
    actions   = local.owner_actions.data_set
  }
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["quicksight.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "vpc_connection" {
  name               = "${var.name}-quicksight"
  description        = "QuickSight puts network interfaces into the VPC"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "vpc_connection" {
  #checkov:skip=CKV_AWS_111:QuickSight names no interface before it makes one
  #checkov:skip=CKV_AWS_356:as above; AWS documents this role without resources

  statement {
    sid = "KeepItsNetworkInterfaces"
    actions = [
      "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
      "ec2:ModifyNetworkInterfaceAttribute",
    ]
    # QuickSight names no interface before it makes one, and AWS documents this role without resources.
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "vpc_connection" {
  name   = "network-interfaces"
  role   = aws_iam_role.vpc_connection.id
  policy = data.aws_iam_policy_document.vpc_connection.json
}

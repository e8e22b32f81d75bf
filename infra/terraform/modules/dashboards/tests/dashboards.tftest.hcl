mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name              = "desk"
  database          = { engine = "postgres", host = "db.example.com", port = 5432, name = "deskhand", secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mocked-AbCdEf" }
  subnet_ids        = ["subnet-1", "subnet-2"]
  security_group_id = "sg-1"
  owner_arn         = "arn:aws:quicksight:eu-central-1:123456789012:user/default/owner"
}

run "the_data_source_uses_the_read_only_users_secret_over_the_vpc_by_tls" {
  assert {
    condition     = aws_quicksight_data_source.database.credentials[0].secret_arn == var.database.secret_arn && !aws_quicksight_data_source.database.ssl_properties[0].disable_ssl
    error_message = "A password lies in the state, or travels in plain text."
  }
  assert {
    condition     = aws_quicksight_data_source.database.vpc_connection_properties[0].vpc_connection_arn == aws_quicksight_vpc_connection.this.arn
    error_message = "QuickSight would look for the database on the internet."
  }
}

run "every_view_is_asked_directly" {
  assert {
    condition     = alltrue([for set in aws_quicksight_data_set.view : set.import_mode == "DIRECT_QUERY"])
    error_message = "The dashboard would show what was imported once."
  }
}

run "every_visual_shows_columns_of_its_view" {
  assert {
    condition = alltrue(flatten([
      for visual in local.visuals : [
        for column in concat([visual.by], compact([visual.colour]), keys(visual.values)) : contains(keys(local.views[visual.view]), column)
      ]
    ]))
    error_message = "QuickSight would refuse the dashboard."
  }
  assert {
    condition     = length(aws_quicksight_dashboard.feedback.definition[0].sheets[0].visuals) == length(aws_quicksight_dashboard.feedback.definition[0].sheets[0].layouts[0].configuration[0].grid_layout[0].elements)
    error_message = "A visual has no place, or a place no visual."
  }
}

run "mysql_is_asked_as_mysql" {
  variables {
    database = { engine = "mysql", host = "db.example.com", port = 3306, name = "deskhand", secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mocked-AbCdEf" }
  }
  assert {
    condition     = aws_quicksight_data_source.database.type == "MYSQL" && length(aws_quicksight_data_source.database.parameters[0].mysql) == 1
    error_message = "QuickSight would speak PostgreSQL to MySQL."
  }
}

run "viewers_look_and_change_nothing" {
  variables {
    viewer_arns = ["arn:aws:quicksight:eu-central-1:123456789012:group/default/analysts"]
  }
  assert {
    condition     = [for permission in aws_quicksight_dashboard.feedback.permissions : permission.actions if permission.principal == "arn:aws:quicksight:eu-central-1:123456789012:group/default/analysts"] == [toset(["quicksight:DescribeDashboard", "quicksight:ListDashboardVersions", "quicksight:QueryDashboard"])]
    error_message = "Viewers could change the dashboard, or not see it."
  }
}

run "an_owner_that_is_nobody_is_refused" {
  command = plan
  variables {
    owner_arn = "owner"
  }
  expect_failures = [var.owner_arn]
}

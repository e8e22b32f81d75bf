mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                      = "deskhand"
  key_arn                   = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  client_security_group_ids = { feedback_tagger = "sg-0123456789abcdef1" }
}

run "urls_hold_no_password" {
  assert {
    condition     = output.database_url == "postgresql://deskhand_app@mocked.abcdefghijkl.eu-central-1.rds.amazonaws.com:5432/deskhand"
    error_message = "The tagger signs in by IAM."
  }

  assert {
    condition     = output.master_database_url == "postgresql://deskhand_admin@mocked.abcdefghijkl.eu-central-1.rds.amazonaws.com:5432/deskhand" && startswith(output.master_secret_arn, "arn:aws:secretsmanager:")
    error_message = "The migration task takes the password from the secret."
  }
}

run "without_dashboards_there_is_no_secret_for_them" {
  assert {
    condition     = length(aws_secretsmanager_secret.dashboards) == 0 && output.dashboard_secret_arn == null
    error_message = "A secret is paid for and used by nobody."
  }
}

run "with_dashboards_their_secret_is_ours_and_can_be_saved" {
  variables {
    dashboards = true
  }

  assert {
    condition     = one(aws_secretsmanager_secret.dashboards).kms_key_id == var.key_arn && one(aws_secretsmanager_secret.dashboards).recovery_window_in_days == 30
    error_message = "The secret is not under our key, or gone at once when deleted."
  }
}

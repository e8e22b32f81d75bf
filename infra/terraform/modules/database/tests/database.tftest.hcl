mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name           = "deskhand"
  engine         = "postgres"
  instance_class = "db.t4g.medium"
  key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]

  client_security_group_ids = { feedback_tagger = "sg-0123456789abcdef1" }
}

run "no_person_and_no_state_holds_the_master_password" {
  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.master_user_secret_kms_key_id == var.key_arn
    error_message = "RDS must keep the master's password itself, under our key."
  }

  assert {
    condition     = aws_db_instance.this.password == null
    error_message = "A password is in the state."
  }

  assert {
    condition     = aws_db_instance.this.iam_database_authentication_enabled
    error_message = "The tagger signs in by IAM."
  }

  assert {
    condition     = output.app_connect_arn == "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABCDEFGHIJKL/deskhand_app"
    error_message = "rds-db:connect would be granted for another user, or for all."
  }
}

run "postgres_takes_tls_only" {
  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"]) == "1"
    error_message = "Connections without TLS are accepted."
  }

  assert {
    condition     = startswith(aws_db_parameter_group.this.family, "postgres") && aws_db_instance.this.parameter_group_name == aws_db_parameter_group.this.name
    error_message = "The parameters are for another engine, or not used."
  }

  assert {
    condition     = output.app_url == "postgresql://deskhand_app@mocked.abcdefghijkl.eu-central-1.rds.amazonaws.com:5432/deskhand"
    error_message = "The tagger would connect elsewhere."
  }
}

run "only_its_clients_reach_it" {
  assert {
    condition     = aws_db_instance.this.publicly_accessible == false
    error_message = "The database has a public address."
  }

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.from_client :
      rule.from_port == 5432 && rule.to_port == 5432 && rule.ip_protocol == "tcp" && rule.cidr_ipv4 == null && rule.referenced_security_group_id == "sg-0123456789abcdef1"
    ]) && length(aws_vpc_security_group_ingress_rule.from_client) == 1
    error_message = "The database lets in more than its clients, or on another port."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.from_client["feedback_tagger"].security_group_id == "sg-0123456789abcdef1"
    error_message = "The client's own group does not let it out to the database."
  }

  assert {
    condition     = toset(aws_db_instance.this.vpc_security_group_ids) == toset([aws_security_group.database.id])
    error_message = "The instance has another security group."
  }
}

run "a_destroy_stops_and_a_meant_one_leaves_a_snapshot" {
  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.delete_automated_backups
    error_message = "A destroy would take every row without a word."
  }

  assert {
    condition     = can(regex("^deskhand-final-[0-9]{14}$", aws_db_instance.this.final_snapshot_identifier))
    error_message = "A second destroy would fail on the snapshot of the first."
  }
}

run "it_is_backed_up_encrypted_and_kept_up_to_date" {
  assert {
    condition     = aws_db_instance.this.backup_retention_period == 7 && aws_db_instance.this.copy_tags_to_snapshot
    error_message = "Backups are missing."
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.key_arn && aws_db_instance.this.performance_insights_kms_key_id == var.key_arn
    error_message = "Storage or Performance Insights are not encrypted with the given key."
  }

  assert {
    condition     = aws_db_instance.this.auto_minor_version_upgrade && !aws_db_instance.this.allow_major_version_upgrade && !aws_db_instance.this.apply_immediately
    error_message = "Minor versions come by themselves, major ones never, and both in the maintenance window."
  }

  assert {
    condition     = aws_db_instance.this.max_allocated_storage == 80
    error_message = "A full disk stops the database."
  }

  assert {
    condition     = keys(aws_cloudwatch_log_group.this) == ["postgresql", "upgrade"] && toset(aws_db_instance.this.enabled_cloudwatch_logs_exports) == toset(["postgresql", "upgrade"])
    error_message = "Logs are not exported, or RDS makes a group that keeps them for ever."
  }
}

run "mysql_takes_tls_only" {
  variables {
    engine         = "mysql"
    instance_class = "db.t4g.micro"
  }

  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "require_secure_transport"]) == "1"
    error_message = "Connections without TLS are accepted."
  }

  assert {
    condition     = startswith(aws_db_parameter_group.this.family, "mysql") && output.port == 3306 && startswith(output.app_url, "mysql://deskhand_app@")
    error_message = "The settings are for another engine."
  }

  assert {
    condition     = aws_db_instance.this.performance_insights_enabled == false
    error_message = "RDS refuses Performance Insights for MySQL on its smallest classes."
  }
}

run "whoever_means_it_may_delete" {
  variables {
    protect = false
  }

  assert {
    condition     = !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot
    error_message = "protect = false must let the database go."
  }
}

run "an_engine_that_the_tagger_does_not_speak_is_refused" {
  command = plan

  variables {
    engine = "oracle-ee"
  }

  expect_failures = [var.engine]
}

run "a_database_without_backups_is_refused" {
  command = plan

  variables {
    backup_retention_days = 0
  }

  expect_failures = [var.backup_retention_days]
}

run "one_subnet_is_refused" {
  command = plan

  variables {
    subnet_ids = ["subnet-0123456789abcdef0"]
  }

  expect_failures = [var.subnet_ids]
}

run "too_little_storage_is_refused" {
  command = plan

  variables {
    allocated_storage_gib = 5
  }

  expect_failures = [var.allocated_storage_gib]
}

run "a_word_that_is_no_class_is_refused" {
  command = plan

  variables {
    instance_class = "small"
  }

  expect_failures = [var.instance_class]
}

run "a_database_that_nobody_may_reach_is_refused" {
  command = plan

  variables {
    client_security_group_ids = {}
  }

  expect_failures = [var.client_security_group_ids]
}

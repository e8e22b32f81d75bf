mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "deskhand"
  interface_services = ["sqs", "bedrock-runtime", "dynamodb-streams"]
  service_names      = ["ticket_agent", "feedback_tagger"]
  isolated_names     = ["dashboards"]
  table_name_prefix  = "deskhand-"
  logs_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "with_endpoints_there_is_no_way_to_the_internet" {
  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_nat_gateway.this) == 0 && length(aws_subnet.public) == 0 && length(aws_route.private_internet) == 0
    error_message = "A gateway or a public subnet exists."
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.service_to_internet) == 0
    error_message = "A task may connect to anywhere."
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["sqs", "bedrock-runtime", "dynamodb-streams"])
    error_message = "An endpoint is missing: the calls to its service would hang until they time out."
  }

  assert {
    condition     = aws_vpc.this.enable_dns_support && aws_vpc.this.enable_dns_hostnames
    error_message = "Without both, the private names of the endpoints do not resolve."
  }
}

run "subnets_are_private_and_in_different_zones" {
  assert {
    condition     = keys(aws_subnet.private) == ["eu-central-1a", "eu-central-1b"] && alltrue([for subnet in aws_subnet.private : !subnet.map_public_ip_on_launch])
    error_message = "Two zones by name, without public addresses."
  }

  assert {
    condition     = [for subnet in aws_subnet.private : subnet.cidr_block] == ["10.40.0.0/20", "10.40.16.0/20"]
    error_message = "The addresses moved: every subnet would be replaced, with all that is in it."
  }

  assert {
    condition     = length(output.private_subnet_ids) == 2
    error_message = "A subnet is missing."
  }
}

run "streams_are_reached_by_the_name_of_their_endpoint" {
  assert {
    condition     = !aws_vpc_endpoint.interface["dynamodb-streams"].private_dns_enabled && aws_vpc_endpoint.interface["sqs"].private_dns_enabled
    error_message = "AWS refuses a private name for the streams' endpoint; the others need one."
  }

  assert {
    condition     = output.dynamodb_streams_endpoint_url == "https://vpce-0123456789abcdef0-01234567.mocked.eu-central-1.vpce.amazonaws.com"
    error_message = "The ticket agent could not read the stream."
  }
}

run "s3_and_dynamodb_go_by_gateways_that_let_nothing_of_others_through" {
  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.dynamodb.vpc_endpoint_type == "Gateway" && length(aws_vpc_endpoint.s3.route_table_ids) > 0
    error_message = "Gateway endpoints cost nothing; the others do."
  }

  assert {
    condition = one([
      for statement in data.aws_iam_policy_document.s3_endpoint.statement :
      { for condition in statement.condition : condition.variable => tolist(condition.values)[0] } if statement.sid == "OurBucketsForOurRoles"
    ]) == { "aws:PrincipalAccount" = "123456789012", "aws:ResourceAccount" = "123456789012" }
    error_message = "Rows could be carried to another account's bucket."
  }

  assert {
    condition = one([
      for statement in data.aws_iam_policy_document.s3_endpoint.statement :
      tolist(statement.resources)[0] if statement.sid == "ImageLayers"
    ]) == "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*"
    error_message = "No task could pull its image."
  }

  assert {
    condition     = tolist(data.aws_iam_policy_document.dynamodb_endpoint.statement)[0].resources == toset(["arn:aws:dynamodb:eu-central-1:123456789012:table/deskhand-*"])
    error_message = "Other tables of the account are open to the tasks' network."
  }

  assert {
    condition = [
      for condition in tolist(data.aws_iam_policy_document.interface_endpoint.statement)[0].condition : "${condition.variable} ${tolist(condition.values)[0]}"
    ] == ["aws:PrincipalAccount 123456789012"]
    error_message = "Credentials of another account pass the endpoints."
  }
}

run "nothing_may_connect_to_a_task" {
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.endpoints_from_service : rule.security_group_id == aws_security_group.endpoints.id && rule.cidr_ipv4 == null && rule.from_port == 443])
    error_message = "A rule lets something in that is no endpoint."
  }

  assert {
    condition     = toset(keys(output.service_security_group_ids)) == toset(["ticket_agent", "feedback_tagger", "dashboards"])
    error_message = "A security group is missing."
  }

  assert {
    condition     = !contains(keys(aws_vpc_security_group_egress_rule.service_to_endpoints), "dashboards")
    error_message = "QuickSight's connection reaches the database alone."
  }

  assert {
    condition     = length(coalesce(aws_default_security_group.closed.ingress, [])) == 0 && length(coalesce(aws_default_security_group.closed.egress, [])) == 0
    error_message = "The default group lets something through."
  }
}

run "an_endpoint_is_in_the_zones_that_its_service_is_in" {
  override_data {
    target = data.aws_vpc_endpoint_service.interface["bedrock-runtime"]
    values = {
      service_name                  = "com.amazonaws.eu-central-1.bedrock-runtime"
      availability_zones            = ["eu-central-1b", "eu-central-1c"]
      vpc_endpoint_policy_supported = false
    }
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface["bedrock-runtime"].subnet_ids) == 1 && length(aws_vpc_endpoint.interface["sqs"].subnet_ids) == 2
    error_message = "AWS refuses an endpoint in a zone that its service is not in."
  }
}

run "a_service_in_none_of_the_zones_is_told_before_anything_is_made" {
  command = plan

  override_data {
    target = data.aws_vpc_endpoint_service.interface["bedrock-runtime"]
    values = {
      service_name                  = "com.amazonaws.eu-central-1.bedrock-runtime"
      availability_zones            = ["eu-central-1c"]
      vpc_endpoint_policy_supported = true
    }
  }

  expect_failures = [aws_vpc_endpoint.interface["bedrock-runtime"]]
}

run "one_nat_gateway_serves_all_zones" {
  variables {
    egress = "nat"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.private_internet) == 2 && length(aws_vpc_endpoint.interface) == 0
    error_message = "One gateway, a route in each zone, and no endpoints to pay for."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.service_to_internet : rule.from_port == 443 && rule.to_port == 443 && rule.ip_protocol == "tcp"])
    error_message = "HTTPS and nothing else may go out."
  }

  assert {
    condition     = output.dynamodb_streams_endpoint_url == null
    error_message = "Without the endpoint, the public name is right."
  }
}

run "a_nat_gateway_a_zone_outlives_a_zone" {
  variables {
    egress                  = "nat_per_zone"
    availability_zone_count = 3
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(distinct([for route in aws_route.private_internet : route.route_table_id])) == 3
    error_message = "Each zone needs its own way out."
  }
}

run "connections_are_recorded_where_that_is_asked_for" {
  variables {
    flow_logs_retention_days = 30
  }

  assert {
    condition     = one(aws_flow_log.this).traffic_type == "ALL" && one(aws_cloudwatch_log_group.flow).kms_key_id == var.logs_key_arn
    error_message = "Refused connections are the ones worth reading, and they are encrypted."
  }
}

run "zones_may_be_named" {
  command = plan

  variables {
    availability_zones = ["eu-central-1b", "eu-central-1c"]
  }

  assert {
    condition     = toset(keys(aws_subnet.private)) == toset(["eu-central-1b", "eu-central-1c"])
    error_message = "The named zones count."
  }
}

run "more_zones_than_the_region_has_are_refused_by_their_number" {
  command = plan
  variables {
    availability_zone_count = 3
  }
  override_data {
    target = data.aws_availability_zones.available
    values = { names = ["us-west-1a", "us-west-1c"] }
  }
  expect_failures = [aws_vpc.this]
}

run "a_zone_of_another_region_is_refused_before_anything_is_made" {
  command = plan
  variables {
    availability_zones = ["eu-central-1a", "us-east-1a"]
  }
  expect_failures = [aws_vpc.this]
}

run "another_way_out_is_refused" {
  command = plan

  variables {
    egress = "internet"
  }

  expect_failures = [var.egress]
}

run "one_zone_is_refused" {
  command = plan

  variables {
    availability_zone_count = 1
  }

  expect_failures = [var.availability_zone_count]
}

run "too_few_addresses_are_refused" {
  command = plan

  variables {
    cidr_block = "10.40.0.0/24"
  }

  expect_failures = [var.cidr_block]
}

run "a_paid_endpoint_for_what_is_free_is_refused" {
  command = plan

  variables {
    interface_services = ["sqs", "s3"]
  }

  expect_failures = [var.interface_services]
}

run "an_open_door_to_all_tables_is_refused" {
  command = plan

  variables {
    table_name_prefix = ""
  }

  expect_failures = [var.table_name_prefix]
}

run "days_that_the_logs_do_not_know_are_refused" {
  command = plan

  variables {
    flow_logs_retention_days = 10
  }

  expect_failures = [var.flow_logs_retention_days]
}

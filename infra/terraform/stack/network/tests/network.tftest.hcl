mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "deskhand"
  interface_services = ["sqs", "dynamodb-streams"]
  table_name_prefix  = "deskhand-"
  logs_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  isolated_names     = ["dashboards"]
}

run "each_service_has_a_group_of_its_own" {
  assert {
    condition     = toset(keys(output.service_security_group_ids)) == toset(["ticket_agent", "feedback_tagger", "dashboards"])
    error_message = "The services are started with these."
  }

  assert {
    condition     = length(output.private_subnet_ids) == 2 && startswith(output.dynamodb_streams_endpoint_url, "https://vpce-")
    error_message = "Subnets or the streams' address are missing."
  }
}

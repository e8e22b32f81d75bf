mock_provider "aws" {
  source = "../../mocks"
}

run "region_name_and_address_are_enough" {
  variables {
    region      = "eu-central-1"
    name        = "desk"
    alert_email = "alerts@example.com"
  }
  assert {
    condition     = output.deskhand.region == "eu-central-1" && length(output.deskhand.repository_urls) == 2
    error_message = "The command line would find nothing."
  }
}

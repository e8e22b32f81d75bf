# Answers of a made-up account, for tests without one. ARNs and JSON have the form that the provider checks.

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "123456789012"
    arn        = "arn:aws:iam::123456789012:user/tester"
  }
}

mock_data "aws_partition" {
  defaults = {
    partition  = "aws"
    dns_suffix = "amazonaws.com"
  }
}

mock_data "aws_region" {
  defaults = {
    region = "eu-central-1"
  }
}

mock_data "aws_availability_zones" {
  defaults = {
    names = ["eu-central-1c", "eu-central-1a", "eu-central-1b"]
  }
}

mock_data "aws_vpc_endpoint_service" {
  defaults = {
    service_name                  = "com.amazonaws.eu-central-1.mocked"
    availability_zones            = ["eu-central-1a", "eu-central-1b"]
    vpc_endpoint_policy_supported = true
  }
}

mock_data "aws_iam_policy_document" {
  defaults = {
    json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:mocked"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/mocked"
  }
}

mock_resource "aws_sns_topic" {
  defaults = {
    arn = "arn:aws:sns:eu-central-1:123456789012:mocked"
  }
}

mock_resource "aws_dynamodb_table" {
  defaults = {
    arn        = "arn:aws:dynamodb:eu-central-1:123456789012:table/mocked"
    stream_arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/mocked/stream/2026-01-01T00:00:00.000"
  }
}

mock_resource "aws_s3_bucket" {
  defaults = {
    arn = "arn:aws:s3:::mocked"
  }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = {
    arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mocked"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::123456789012:role/mocked"
  }
}

mock_resource "aws_db_instance" {
  defaults = {
    arn         = "arn:aws:rds:eu-central-1:123456789012:db:mocked"
    address     = "mocked.abcdefghijkl.eu-central-1.rds.amazonaws.com"
    resource_id = "db-ABCDEFGHIJKL"
    master_user_secret = [{
      kms_key_id    = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      secret_arn    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-mocked-AbCdEf"
      secret_status = "active"
    }]
  }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = {
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mocked-AbCdEf"
  }
}

mock_resource "aws_vpc_endpoint" {
  defaults = {
    prefix_list_id = "pl-0123456789"
    dns_entry = [{
      dns_name       = "vpce-0123456789abcdef0-01234567.mocked.eu-central-1.vpce.amazonaws.com"
      hosted_zone_id = "Z0123456789"
    }]
  }
}

mock_resource "aws_security_group" {
  defaults = {
    arn = "arn:aws:ec2:eu-central-1:123456789012:security-group/sg-0123456789abcdef0"
  }
}

mock_resource "aws_ecs_cluster" {
  defaults = {
    arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/mocked"
  }
}

mock_resource "aws_ecs_task_definition" {
  defaults = {
    arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mocked:1"
  }
}

mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:eu-central-1:123456789012:repository/mocked"
    repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mocked"
  }
}

mock_resource "aws_appautoscaling_policy" {
  defaults = {
    arn = "arn:aws:autoscaling:eu-central-1:123456789012:scalingPolicy:11111111-2222-3333-4444-555555555555:resource/ecs/service/mocked:policyName/mocked"
  }
}

mock_resource "aws_codebuild_project" {
  defaults = {
    arn = "arn:aws:codebuild:eu-central-1:123456789012:project/mocked"
  }
}

mock_resource "aws_codepipeline" {
  defaults = {
    arn = "arn:aws:codepipeline:eu-central-1:123456789012:mocked"
  }
}

mock_resource "aws_cloudwatch_event_rule" {
  defaults = {
    arn = "arn:aws:events:eu-central-1:123456789012:rule/mocked"
  }
}

mock_resource "aws_ce_anomaly_monitor" {
  defaults = {
    arn = "arn:aws:ce::123456789012:anomalymonitor/11111111-2222-3333-4444-555555555555"
  }
}

mock_resource "aws_bedrock_guardrail" {
  defaults = {
    guardrail_arn = "arn:aws:bedrock:eu-central-1:123456789012:guardrail/abcdefghij12"
    guardrail_id  = "abcdefghij12"
  }
}

mock_resource "aws_bedrock_guardrail_version" {
  defaults = {
    version = "1"
  }
}

mock_resource "aws_bedrockagent_agent" {
  defaults = {
    agent_arn = "arn:aws:bedrock:eu-central-1:123456789012:agent/ABCDEFGHIJ"
    agent_id  = "ABCDEFGHIJ"
  }
}

mock_resource "aws_bedrockagent_agent_alias" {
  defaults = {
    agent_alias_arn = "arn:aws:bedrock:eu-central-1:123456789012:agent-alias/ABCDEFGHIJ/KLMNOPQRST"
    agent_alias_id  = "KLMNOPQRST"
  }
}

mock_resource "aws_bedrockagent_knowledge_base" {
  defaults = {
    arn = "arn:aws:bedrock:eu-central-1:123456789012:knowledge-base/ABCDEFGHIJ"
    id  = "ABCDEFGHIJ"
  }
}

mock_resource "aws_bedrockagent_data_source" {
  defaults = {
    data_source_id = "ABCDEFGHIJ"
  }
}

mock_resource "aws_bedrockagentcore_harness" {
  defaults = {
    arn = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:harness/mocked-ABCDEFGHIJ"
  }
}

mock_resource "aws_s3vectors_index" {
  defaults = {
    index_arn = "arn:aws:s3vectors:eu-central-1:123456789012:bucket/mocked/index/policy"
  }
}

mock_resource "aws_quicksight_vpc_connection" {
  defaults = {
    arn = "arn:aws:quicksight:eu-central-1:123456789012:vpcConnection/mocked"
  }
}

mock_resource "aws_quicksight_data_source" {
  defaults = {
    arn = "arn:aws:quicksight:eu-central-1:123456789012:datasource/mocked"
  }
}

mock_resource "aws_quicksight_data_set" {
  defaults = {
    arn = "arn:aws:quicksight:eu-central-1:123456789012:dataset/mocked"
  }
}

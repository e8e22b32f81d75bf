output "vpc_id" {
  description = "The VPC."
  value       = module.network.vpc_id
}

output "private_subnet_ids" {
  description = "Subnets without a public address, one a zone: tasks, databases, QuickSight's connection."
  value       = module.network.private_subnet_ids
}

output "service_security_group_ids" {
  description = "Security group of each of service_names and isolated_names; nothing may connect to it. Those of service_names may connect to AWS by HTTPS."
  value       = module.network.service_security_group_ids
}

output "dynamodb_streams_endpoint_url" {
  description = "Value of DYNAMODB_STREAMS_ENDPOINT_URL, or null where NAT leads to the public endpoint."
  value       = module.network.dynamodb_streams_endpoint_url
}

output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Private subnets, one a zone, in the zones' order."
  value       = [for zone in local.zone_names : aws_subnet.private[zone].id]

  # A task that starts before its way out exists cannot pull its image.
  depends_on = [
    aws_route.private_internet,
    aws_route_table_association.private,
    aws_vpc_endpoint.interface,
    aws_vpc_endpoint.s3,
  ]
}

output "service_security_group_ids" {
  description = "Security group of each of service_names and isolated_names."
  value       = { for name, group in aws_security_group.service : name => group.id }
}

output "dynamodb_streams_endpoint_url" {
  description = "Own name of the DynamoDB Streams endpoint, or null where there is none."
  value       = contains(local.endpoint_services, "dynamodb-streams") ? "https://${aws_vpc_endpoint.interface["dynamodb-streams"].dns_entry[0].dns_name}" : null
}

locals {
  private_route_table_ids = [for table in aws_route_table.private : table.id]
  endpoint_services       = var.egress == "endpoints" ? var.interface_services : []
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.s3"
  route_table_ids   = local.private_route_table_ids
  policy            = data.aws_iam_policy_document.s3_endpoint.json

  tags = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "dynamodb" {
  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.dynamodb"
  route_table_ids   = local.private_route_table_ids
  policy            = data.aws_iam_policy_document.dynamodb_endpoint.json

  tags = { Name = "${var.name}-dynamodb" }
}

# Which zones a service is in, and whether its endpoint takes a policy, differs by service and region.
data "aws_vpc_endpoint_service" "interface" {
  for_each = local.endpoint_services

  service      = each.value
  service_type = "Interface"
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.endpoint_services

  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Interface"
  service_name      = data.aws_vpc_endpoint_service.interface[each.key].service_name

  # AWS gives the streams' endpoint no private name: tasks are told its own by DYNAMODB_STREAMS_ENDPOINT_URL.
  private_dns_enabled = each.key != "dynamodb-streams"
  security_group_ids  = [aws_security_group.endpoints.id]
  policy              = data.aws_vpc_endpoint_service.interface[each.key].vpc_endpoint_policy_supported ? data.aws_iam_policy_document.interface_endpoint.json : null

  subnet_ids = [
    for zone, subnet in aws_subnet.private : subnet.id
    if contains(data.aws_vpc_endpoint_service.interface[each.key].availability_zones, zone)
  ]

  tags = { Name = "${var.name}-${each.key}" }

  lifecycle {
    precondition {
      condition     = anytrue([for zone in local.zone_names : contains(data.aws_vpc_endpoint_service.interface[each.key].availability_zones, zone)])
      error_message = "${each.key} has no endpoint in ${join(", ", local.zone_names)}: name other zones by availability_zones, or take egress = \"nat\"."
    }
  }
}

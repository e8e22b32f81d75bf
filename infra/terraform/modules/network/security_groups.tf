# Nothing may connect to a task: it takes its work from queues.
resource "aws_security_group" "service" {
  #checkov:skip=CKV2_AWS_5:the services attach it
  for_each = setunion(var.service_names, var.isolated_names)

  name        = "${var.name}-${replace(each.key, "_", "-")}"
  description = "${var.name}: ${each.key}"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "${var.name}: interface endpoints, open to the services"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_service" {
  for_each = var.service_names

  security_group_id            = aws_security_group.endpoints.id
  referenced_security_group_id = aws_security_group.service[each.key].id
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "service_to_endpoints" {
  for_each = var.service_names

  security_group_id            = aws_security_group.service[each.key].id
  referenced_security_group_id = aws_security_group.endpoints.id
  description                  = "AWS by interface endpoints"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "service_to_s3" {
  for_each = var.service_names

  security_group_id = aws_security_group.service[each.key].id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  description       = "S3 by its gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "service_to_dynamodb" {
  for_each = var.service_names

  security_group_id = aws_security_group.service[each.key].id
  prefix_list_id    = aws_vpc_endpoint.dynamodb.prefix_list_id
  description       = "DynamoDB by its gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "service_to_internet" {
  for_each = length(local.nat_zones) > 0 ? var.service_names : []

  security_group_id = aws_security_group.service[each.key].id
  cidr_ipv4         = "0.0.0.0/0"
  description       = "AWS by NAT; its public addresses are too many and too changing to list"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

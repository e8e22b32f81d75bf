data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:whoever wants the zones pinned names them by availability_zones

  state = "available"

  # Local Zones and the like have neither NAT nor databases.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.region

  available  = sort(data.aws_availability_zones.available.names)
  zone_names = length(var.availability_zones) > 0 ? var.availability_zones : slice(local.available, 0, min(var.availability_zone_count, length(local.available)))
  # Zone => its place, which decides its addresses.
  zones     = { for place, zone in local.zone_names : zone => place }
  nat_zones = { nat = slice(local.zone_names, 0, 1), nat_per_zone = local.zone_names, endpoints = [] }[var.egress]
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr_block
  enable_dns_support   = true
  enable_dns_hostnames = true # private names of interface endpoints need both

  tags = { Name = var.name }

  lifecycle {
    precondition {
      condition     = length(var.availability_zones) > 0 || length(local.available) >= var.availability_zone_count
      error_message = "availability_zone_count: ${var.availability_zone_count}, but this account has ${length(local.available)} in ${local.region} (${join(", ", local.available)}); give a smaller count, or another region."
    }

    precondition {
      condition     = length(setsubtract(var.availability_zones, local.available)) == 0
      error_message = "availability_zones: ${join(", ", setsubtract(var.availability_zones, local.available))} is none of this account's in ${local.region}, which are ${join(", ", local.available)}; AWS would refuse the subnet after half of the network is made."
    }
  }
}

# Whoever starts something without naming a group gets this one, and reaches nothing.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.cidr_block, 4, each.value)
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-private-${each.key}" }
}

# One a zone, so that each can lead to the NAT gateway of its own zone.
resource "aws_route_table" "private" {
  for_each = local.zones

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table_association" "private" {
  for_each = local.zones

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

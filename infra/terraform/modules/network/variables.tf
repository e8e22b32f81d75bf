variable "name" {
  description = "Name of the VPC, and the beginning of the names of what belongs to it."
  type        = string
}

variable "cidr_block" {
  description = "Addresses of the VPC. Each zone takes a sixteenth for private and, with NAT, one for public addresses."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr_block, 0)) && can(regex("/(1[6-9]|20)$", var.cidr_block))
    error_message = "cidr_block: a block of /16 to /20; a smaller one leaves a zone with fewer than 256 addresses, and tasks that find none do not start."
  }
}

variable "availability_zone_count" {
  description = "Zones that tasks, databases and endpoints spread over, the first of the region in the order of their names."
  type        = number
  default     = 2

  validation {
    condition     = var.availability_zone_count >= 2 && var.availability_zone_count <= 3
    error_message = "availability_zone_count: 2 or 3; RDS refuses one zone, and a fourth adds price and no safety that the third does not give."
  }
}

variable "availability_zones" {
  description = "Names of the zones instead of their count, where some feature is missing in one of the first."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.availability_zones) == 0 || (length(distinct(var.availability_zones)) == length(var.availability_zones) && length(var.availability_zones) >= 2 && length(var.availability_zones) <= 3)
    error_message = "availability_zones: none, or two or three different ones; RDS refuses one zone."
  }
}

variable "egress" {
  description = <<-TEXT
    How tasks reach AWS, with the price a month in us-east-1 for two zones and nine interface endpoints:
    "endpoints": only AWS, by interface endpoints; a task that is led astray can reach nothing else. $7.30 an endpoint and zone, $131 in all, and $0.01 a GB.
    "nat": by one NAT gateway, which also leads to the internet. $36.50 with its public address, and $0.045 a GB; if its zone fails, the tasks of the others are cut off.
    "nat_per_zone": by a NAT gateway in each zone. $73.00 and $0.045 a GB.
    S3 and DynamoDB go by gateway endpoints, without a price, in all three.
  TEXT
  type        = string
  default     = "endpoints"

  validation {
    condition     = contains(["endpoints", "nat", "nat_per_zone"], var.egress)
    error_message = "egress: endpoints, nat or nat_per_zone; with none of them no task could reach a queue or pull its image."
  }
}

variable "interface_services" {
  description = "AWS services that get an interface endpoint with egress = \"endpoints\", by the last part of their endpoint's name (\"bedrock-runtime\")."
  type        = set(string)

  validation {
    condition     = !contains(var.interface_services, "s3") && !contains(var.interface_services, "dynamodb")
    error_message = "interface_services: s3 and dynamodb have gateway endpoints already, without a price; an interface endpoint would be paid for and not used."
  }
}

variable "service_names" {
  description = "Who runs in the private subnets and calls AWS: one security group each."
  type        = set(string)

  validation {
    condition     = length(var.service_names) > 0
    error_message = "service_names: at least one; the endpoints would let nobody in."
  }
}

variable "isolated_names" {
  description = "Who gets a security group that reaches only what others open for it."
  type        = set(string)
  default     = []
}

variable "table_name_prefix" {
  description = "The DynamoDB endpoint lets through calls to this account's tables whose names begin so."
  type        = string

  validation {
    condition     = length(var.table_name_prefix) >= 3
    error_message = "table_name_prefix: three characters or more; an empty one would open every table of the account to the tasks' network."
  }
}

variable "flow_logs_retention_days" {
  description = "Days that records of accepted and refused connections are kept, $0.50 a GB; 0 writes none."
  type        = number
  default     = 0

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.flow_logs_retention_days)
    error_message = "flow_logs_retention_days: 0 or a number of days that CloudWatch Logs knows (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731); it refuses others."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the flow logs."
  type        = string
}

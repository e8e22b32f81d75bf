variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "cidr_block" {
  description = "Addresses of the VPC. A /20 or larger: each zone takes a sixteenth of it for private and one for public addresses."
  type        = string
  default     = "10.40.0.0/16"
}

variable "availability_zone_count" {
  description = "Zones that tasks and databases spread over. Each zone multiplies the price of interface endpoints and of NAT."
  type        = number
  default     = 2
}

variable "availability_zones" {
  description = "Names of the zones instead of their count, where some feature is missing in one of the first."
  type        = list(string)
  default     = []
}

variable "egress" {
  description = "How tasks reach AWS: \"endpoints\", \"nat\" or \"nat_per_zone\"; see ../../modules/network."
  type        = string
  default     = "endpoints"
}

variable "interface_services" {
  description = "AWS services that get an interface endpoint with egress = \"endpoints\", by the last part of their endpoint's name (\"bedrock-runtime\")."
  type        = set(string)
}

variable "service_names" {
  description = "Who runs in the private subnets and calls AWS: one security group each."
  type        = set(string)
  default     = ["ticket_agent", "feedback_tagger"]
}

variable "isolated_names" {
  description = "Who gets a security group that reaches only what others open for it: \"dashboards\" for QuickSight's connection to the database."
  type        = set(string)
  default     = []
}

variable "table_name_prefix" {
  description = "The DynamoDB endpoint lets through calls to tables whose names begin so."
  type        = string
}

variable "flow_logs_retention_days" {
  description = "Days that records of accepted and refused connections are kept; 0 writes none."
  type        = number
  default     = 0
}

variable "logs_key_arn" {
  description = "KMS key of the flow logs."
  type        = string
}

# Of the whole, the network, the queues, the tables and the database. Those of the services are in
# variables_services.tf. Each is checked where it is used; here only what no part below could explain.

variable "name" {
  description = "Prefix of every resource of this installation; two installations in one account need two, in other regions too: roles and budgets have no region."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) >= 3 && length(var.name) <= 20
    error_message = "name: 3 to 20 small letters, digits and single dashes, a letter first and no dash last; otherwise AWS refuses the bucket's, the database's or a role's name after half of the rest is made."
  }
}

variable "protect" {
  description = "true: database, tables and bucket refuse deletion; a database whose protection is lifted by hand leaves a final snapshot. Set false and apply before a destroy that is meant: it then takes all rows at once."
  type        = bool
  default     = true
}

# --- network

variable "cidr_block" {
  description = "Addresses of the VPC, /16 to /20."
  type        = string
  default     = "10.40.0.0/16"
}

variable "availability_zone_count" {
  description = "Zones that tasks, database and endpoints spread over, 2 or 3. Each multiplies the price of interface endpoints."
  type        = number
  default     = 2
}

variable "availability_zones" {
  description = "Names of the zones instead of their count, where some feature is missing in one of the first."
  type        = list(string)
  default     = []
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
}

variable "flow_logs_retention_days" {
  description = "Days that records of accepted and refused connections are kept, $0.50 a GB; 0 writes none."
  type        = number
  default     = 0
}

# --- messaging and storage

variable "visibility_timeout_seconds" {
  description = "How long a message that a killed task held stays away from the others; the services get the same as VISIBILITY_SECONDS."
  type        = number
  default     = 60
}

variable "ticket_update_emails" {
  description = <<-TEXT
    Who gets which ticket updates by e-mail: address => SNS filter policy over the attributes employee, owner,
    resolverGroup and status; {} takes all. {"it@example.com" = {resolverGroup = ["service-desk"]}}
  TEXT
  type        = map(map(list(string)))
  default     = {}
}

variable "run_result_emails" {
  description = "Addresses that are told when a feedback file is done."
  type        = set(string)
  default     = []
}

variable "upload_retention_days" {
  description = "Days that uploads, rejects and reports are kept."
  type        = number
  default     = 365
}

# --- database

variable "database_engine" {
  description = "postgres or mysql. A later change makes a new, empty database: move the rows first."
  type        = string
  default     = "postgres"
}

variable "database_instance_class" {
  description = "Size of the database. A month in us-east-1 for postgres in one zone: db.t4g.micro $12, db.t4g.medium $47, db.m7g.large $123."
  type        = string
  default     = "db.t4g.medium"
}

variable "database_storage_gib" {
  description = "Storage at the start, $0.115 a GiB and month; it grows by itself up to four times this."
  type        = number
  default     = 20
}

variable "database_multi_az" {
  description = "A standby in a second zone: a failed zone costs a minute, not a restore. Doubles the price."
  type        = bool
  default     = false
}

variable "database_backup_retention_days" {
  description = "Days that the database can be put back to any second of, 1 to 35."
  type        = number
  default     = 7
}

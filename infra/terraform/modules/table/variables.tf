variable "name" {
  description = "Name of the table."
  type        = string
}

variable "partition_key" {
  description = "Attribute, a string, that items are spread by."
  type        = string
}

variable "sort_key" {
  description = "Attribute, a string, that orders the items of one partition key; null for none."
  type        = string
  default     = null
}

variable "index" {
  description = "One sparse index over two string attributes, holding keys only; null for none."
  type = object({
    name          = string
    partition_key = string
    sort_key      = string
  })
  default = null
}

variable "stream" {
  description = "Keep a stream of new and old images for 24 hours."
  type        = bool
  default     = false
}

variable "expires_at_attribute" {
  description = "Attribute with the epoch second after which DynamoDB deletes an item, days late at times; null for none."
  type        = string
  default     = null
}

variable "key_arn" {
  description = "KMS key of table, stream and backups."
  type        = string
}

variable "protect" {
  description = "Refuse deletion."
  type        = bool
  default     = true
}

variable "name" {
  description = "Name of the topic."
  type        = string
}

variable "display_name" {
  description = "Sender's name in e-mails."
  type        = string

  validation {
    condition     = length(var.display_name) <= 100
    error_message = "display_name: at most 100 characters; SNS refuses the topic otherwise."
  }
}

variable "key_arn" {
  description = "KMS key of the topic; its policy must let the publishers below use it."
  type        = string
}

variable "emails" {
  description = "Who is told by e-mail: address => filter policy over message attributes; {} lets everything through. AWS asks each address to confirm, and tells it nothing until it has."
  type        = map(map(list(string)))
  default     = {}

  validation {
    condition     = alltrue([for address in keys(var.emails) : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "emails: each key must be an e-mail address; SNS would accept the subscription of another word and nobody would ever be told."
  }
}

variable "queue_arns" {
  description = "Queues that get a copy: a name for the subscription => queue ARN. Their policies must let the topic send."
  type        = map(string)
  default     = {}
}

variable "publishing_services" {
  description = "AWS services that may publish for this account, such as \"cloudwatch.amazonaws.com\"."
  type        = set(string)
  default     = []
}

variable "name" {
  description = "Prefix of every resource of this installation."
  type        = string
}

variable "artifact_bucket_name" {
  description = "Name of the bucket of the pipelines' artifacts and scripts."
  type        = string
}

variable "cluster_name" {
  description = "ECS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "services" {
  description = "What a pushed image is deployed to, by the service's short name (ticket-agent): a pipeline each."
  type = map(object({
    repository       = object({ name = string, arn = string, url = string })
    service_name     = string
    service_arn      = string
    families         = list(string)
    migration_family = optional(string)
    role_arns        = list(string)
    build_target     = string
  }))
}

variable "source_connection" {
  description = "Connection to the repository of the source, which a person has confirmed in the console; null: images are built and pushed by hand."
  type        = object({ arn = string, repository = string, branch = string })
  default     = null
}

variable "key_arn" {
  description = "KMS key of images, artifacts and logs."
  type        = string
}

variable "log_retention_days" {
  description = "Days that build logs are kept."
  type        = number
}

variable "protect" {
  description = "false lets `terraform destroy` delete the artifacts."
  type        = bool
}

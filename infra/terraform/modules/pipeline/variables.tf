variable "name" {
  description = "Name of the pipeline and its projects."
  type        = string
}

variable "repository" {
  description = "ECR repository whose pushes start the pipeline."
  type        = object({ name = string, arn = string, url = string })
}

variable "cluster_name" {
  description = "ECS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "service_name" {
  description = "Service that a pushed image is deployed to."
  type        = string
}

variable "service_arn" {
  description = "ARN of the service."
  type        = string
}

variable "families" {
  description = "Families of task definitions that the pipeline may register: the service's and, if there is one, the migration's."
  type        = list(string)
}

variable "migration_family" {
  description = "Family of the task that runs before the deployment; null: none. Its failure stops the pipeline."
  type        = string
  default     = null
}

variable "role_arns" {
  description = "Roles that the pipeline may hand to ECS with a task definition."
  type        = list(string)
}

variable "artifact_bucket" {
  description = "Bucket of the pipeline's artifacts and scripts."
  type        = object({ name = string, arn = string })
}

variable "scripts" {
  description = "Keys of the deploy scripts in the bucket, by what they do."
  type        = object({ deploy = string, run_task = string })
}

variable "key_arn" {
  description = "KMS key of images, artifacts and logs."
  type        = string
}

variable "log_retention_days" {
  description = "Days that build logs are kept."
  type        = number
  default     = 90
}

variable "build" {
  description = "Where the source is built from; null: images are built and pushed by hand."
  type = object({
    connection_arn = string
    repository     = string
    branch         = string
    target         = string
  })
  default = null
}

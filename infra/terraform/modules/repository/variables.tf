variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "key_arn" {
  description = "KMS key of the images."
  type        = string
}

variable "keep_images" {
  description = "Images that are kept to roll back to; older ones are deleted. $0.10 a GB and month."
  type        = number
  default     = 20

  validation {
    condition     = var.keep_images >= 3
    error_message = "keep_images: at least 3; with fewer the image that runs may be deleted while a new one is tried, and no further task could start."
  }
}

variable "protect" {
  description = "true: a destroy stops at a repository that holds images; false: it deletes them."
  type        = bool
  default     = true
}

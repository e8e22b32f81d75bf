variable "name" {
  description = "Name of the task definition's family, its roles and its log group."
  type        = string
}

variable "container_name" {
  description = "Name of the one container; the deploy script changes the image of the container of this name."
  type        = string
  default     = "main"
}

variable "python_module" {
  description = "What `python3 -m` runs, for example services.ticket_agent."
  type        = string

  validation {
    condition     = can(regex("^services\\.[a-z_]+$", var.python_module))
    error_message = "python_module: a module under services, like services.ticket_agent; the container would end at once with anything else."
  }
}

variable "arguments" {
  description = "What comes after the module: nothing serves, [\"migrate\"] updates the database."
  type        = list(string)
  default     = []
}

variable "health_port" {
  description = "Port on loopback at which the container's health check asks; null for a task that ends by itself."
  type        = number
  default     = null
}

variable "image" {
  description = "Image by digest. Deployments put later ones in place: Terraform writes only the first."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image: give it by digest (...@sha256:...); under a tag the same revision could start different code tomorrow."
  }
}

variable "repository_arn" {
  description = "ECR repository that the image is pulled from."
  type        = string
}

variable "environment" {
  description = "Environment variables of the container; null values are left out."
  type        = map(string)
}

variable "task_policy_json" {
  description = "What the code may do in AWS: the policy of the task role."
  type        = string
}

variable "cpu_units" {
  description = "CPU of the task: 256, 512, 1024, 2048 or 4096 units, 1024 to a core."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu_units)
    error_message = "cpu_units: 256, 512, 1024, 2048 or 4096; Fargate starts no task of another size."
  }
}

variable "memory_mib" {
  description = "Memory of the task in MiB; a task that needs more is killed."
  type        = number
  default     = 512

  validation {
    condition     = var.memory_mib >= 2 * var.cpu_units && var.memory_mib <= min(8 * var.cpu_units, 30720) && (var.memory_mib % 1024 == 0 || var.memory_mib == 512)
    error_message = "memory_mib: between 2 and 8 MiB for each CPU unit, in steps of 1024 and 30720 at most (512 only with 256 units); ECS refuses a task definition of another shape, after half of the rest is made."
  }
}

variable "drain_seconds" {
  description = "Seconds that a task may take to finish after SIGTERM. DRAIN_SECONDS and the stop timeout come from this one value."
  type        = number
  default     = 110

  validation {
    condition     = var.drain_seconds >= 1 && var.drain_seconds <= 110
    error_message = "drain_seconds: 1 to 110. Fargate kills 120 seconds after SIGTERM at the latest, and the last 10 belong to closing what is open; work would be cut off."
  }
}

variable "user" {
  description = "Numeric user and group in the container; it must not be root."
  type        = string
  default     = "10001:10001"

  validation {
    condition     = can(regex("^[1-9][0-9]*:[1-9][0-9]*$", var.user))
    error_message = "user: numeric user and group, neither of them 0; root in a container is one kernel bug away from the host."
  }
}

variable "log_retention_days" {
  description = "Days that log lines are kept, $0.03 a GiB and month; the ledger's heads among them testify for the table."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: CloudWatch knows 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 and 3653."
  }
}

variable "key_arn" {
  description = "KMS key of the log group."
  type        = string
}

variable "name" {
  description = "Name of the service, its task definition, roles and log group."
  type        = string
}

variable "cluster_name" {
  description = "ECS cluster with the capacity providers FARGATE and FARGATE_SPOT."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "python_module" {
  description = "What `python3 -m` runs, for example services.ticket_agent."
  type        = string
}

variable "image" {
  description = "First image by digest; deployments put later ones in place."
  type        = string
}

variable "repository_arn" {
  description = "ECR repository that the image is pulled from."
  type        = string
}

variable "environment" {
  description = "Environment variables besides AWS_REGION, DRAIN_SECONDS and HEALTH_PORT; null values are left out."
  type        = map(string)
}

variable "task_policy_json" {
  description = "What the code may do in AWS."
  type        = string
}

variable "cpu_units" {
  description = "CPU of a task, 1024 units to a core. A month of a task that always runs, us-east-1, ARM: 256 units with 512 MiB $7.20, 1024 with 2048 MiB $28.80; on Spot about a third of it."
  type        = number
  default     = 256
}

variable "memory_mib" {
  description = "Memory of a task in MiB."
  type        = number
  default     = 512
}

variable "drain_seconds" {
  description = "Seconds that a task may take to finish after SIGTERM; the stop timeout is 10 more."
  type        = number
  default     = 110
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: at least two, in different zones; in one, a failure of the zone stops the service."
  }
}

variable "security_group_id" {
  description = "Security group of the tasks: nothing comes in, HTTPS to AWS and the database goes out."
  type        = string
}

variable "minimum_tasks" {
  description = "Tasks that always run. 0 is for a service whose work waits in queues: a message wakes it within about two minutes."
  type        = number
  default     = 1

  validation {
    condition     = var.minimum_tasks >= 0 && floor(var.minimum_tasks) == var.minimum_tasks
    error_message = "minimum_tasks: a whole number from 0."
  }
}

variable "maximum_tasks" {
  description = "Most tasks that a backlog may start. More than the model's quota can feed only wait for each other."
  type        = number
  default     = 4

  validation {
    condition     = var.maximum_tasks >= 1 && var.maximum_tasks <= 20
    error_message = "maximum_tasks: 1 to 20, a step of the scaling policy for each; Application Auto Scaling takes 20 steps and refuses more."
  }

  validation {
    condition     = var.maximum_tasks >= var.minimum_tasks
    error_message = "maximum_tasks: at least minimum_tasks; otherwise AWS refuses the scaling target after the service is made."
  }
}

variable "on_demand_tasks" {
  description = "How many tasks run on demand before Spot is used for the rest. Spot tasks cost about a third and may be stopped with two minutes' notice."
  type        = number
  default     = 1

  validation {
    condition     = var.on_demand_tasks >= 0
    error_message = "on_demand_tasks: 0 or more."
  }
}

variable "spot" {
  description = "Whether tasks beyond on_demand_tasks run on Spot; false runs all of them on demand."
  type        = bool
  default     = true
}

variable "queue_names" {
  description = "Queues whose messages, waiting and in flight, are the service's backlog."
  type        = list(string)

  validation {
    condition     = length(var.queue_names) >= 1 && length(var.queue_names) <= 4
    error_message = "queue_names: 1 to 4; two metrics each and one for other work: CloudWatch takes ten in one alarm and refuses more."
  }
}

variable "backlog_per_task" {
  description = "Messages that one task may have before it: with 3,000 waiting and 500 a task there will be six."
  type        = number

  validation {
    condition     = var.backlog_per_task >= 1
    error_message = "backlog_per_task: at least 1; with less every message would start a task of its own."
  }
}

variable "work_metric" {
  description = "A metric of open work that waits in no queue, told by the tasks at least every five minutes; the service is not idle while it is above 0. With no task there is nobody to tell: the look every four hours finds what was left open."
  type        = object({ namespace = string, name = string, dimensions = map(string) })
  default     = null
}

variable "idle_minutes" {
  description = "Minutes without a message before the service goes back to minimum_tasks."
  type        = number
  default     = 15

  validation {
    condition     = var.idle_minutes >= 5 && var.idle_minutes <= 60
    error_message = "idle_minutes: 5 to 60; sooner, tasks come and go with every file, and each start costs a minute of image pull."
  }
}

variable "log_retention_days" {
  description = "Days that log lines are kept."
  type        = number
  default     = 90
}

variable "metric_namespace" {
  description = "CloudWatch namespace of the metrics that are read from the log."
  type        = string
}

variable "key_arn" {
  description = "KMS key of the log group."
  type        = string
}

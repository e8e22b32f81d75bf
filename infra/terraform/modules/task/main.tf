# One container that runs a module of ours: a service's task, or one that does its work and ends.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  stop_timeout_seconds = var.drain_seconds + 10

  environment = merge(
    {
      AWS_REGION    = data.aws_region.current.region
      DRAIN_SECONDS = var.health_port == null ? null : tostring(var.drain_seconds)
      HEALTH_PORT   = var.health_port == null ? null : tostring(var.health_port)
    },
    var.environment,
  )

  container = {
    name       = var.container_name
    image      = var.image
    essential  = true
    entryPoint = ["python3", "-m", var.python_module]
    command    = var.arguments
    user       = var.user

    environment = [
      for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }
      if local.environment[name] != null
    ]

    # Nothing that gets in can be written down and run: only /tmp is writable, and it goes with the task.
    readonlyRootFilesystem = true
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]

    linuxParameters = {
      # Without an init process Python is process 1: SIGTERM has no default action there, and zombies stay.
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }

    # After this ECS sends SIGKILL. Longer than the drain, or a task that drains well would be killed at its end.
    stopTimeout = local.stop_timeout_seconds

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.region
        awslogs-stream-prefix = var.container_name
        # Blocking, a disturbance of CloudWatch Logs would stop the service at its next line.
        mode            = "non-blocking"
        max-buffer-size = "25m"
      }
    }

    healthCheck = var.health_port == null ? null : {
      command = ["CMD", "python3", "-m", var.python_module, "health"]
      # A Python that starts on a quarter of a core beside a busy service needs seconds.
      interval    = 30
      timeout     = 15
      retries     = 3
      startPeriod = 60
    }
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.cpu_units)
  memory                   = tostring(var.memory_mib)
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode([{ for name, value in local.container : name => value if value != null }])

  # A revision that Terraform replaces may be the one that runs, or the one to roll back to.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  # Fargate gives each task 20 GiB of encrypted storage of its own; the image must let the user write to /tmp.
  volume {
    name = "tmp"
  }
}

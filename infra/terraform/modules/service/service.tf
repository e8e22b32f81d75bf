resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = var.cluster_arn
  task_definition = module.task.task_definition_arn

  # There is no image yet when this is made. The first deployment starts the tasks.
  desired_count = 0

  # New tasks are well before old ones go: with 100/200 a service of one task is never without, and one of many keeps
  # its pace. A maximum below 200 would leave a single task no room for its successor: the deployment would hang.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  availability_zone_rebalancing = "ENABLED"
  enable_ecs_managed_tags       = true
  propagate_tags                = "SERVICE"
  platform_version              = "LATEST"

  # A shell in a container could read tickets and feedback, and a read-only root has no place for its agent.
  enable_execute_command = false

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = var.on_demand_tasks
    weight            = var.spot ? 0 : 1
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.spot ? ["FARGATE_SPOT"] : []

    content {
      capacity_provider = capacity_provider_strategy.value
      weight            = 1
    }
  }

  # Tasks that do not start or do not become healthy.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # Tasks that start well and crash at their work. Nothing but the build can ring this: a backlog, a throttled model
  # or an absent database would roll a good build back, and the old one would fare no better.
  alarms {
    enable      = true
    rollback    = true
    alarm_names = [aws_cloudwatch_metric_alarm.crashes.alarm_name]
  }

  lifecycle {
    # Deployments choose the revision and scaling the number; an apply must undo neither.
    ignore_changes = [task_definition, desired_count]
  }
}

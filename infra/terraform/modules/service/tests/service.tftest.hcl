mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked", id = "mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mocked" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mocked:1" }
  }
  mock_resource "aws_appautoscaling_policy" {
    defaults = { arn = "arn:aws:autoscaling:eu-central-1:123456789012:scalingPolicy:mocked" }
  }
}

variables {
  name              = "desk-feedback-tagger"
  cluster_name      = "desk"
  cluster_arn       = "arn:aws:ecs:eu-central-1:123456789012:cluster/desk"
  python_module     = "services.feedback_tagger"
  image             = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  repository_arn    = "arn:aws:ecr:eu-central-1:123456789012:repository/desk"
  environment       = {}
  task_policy_json  = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  subnet_ids        = ["subnet-1", "subnet-2"]
  security_group_id = "sg-1"
  minimum_tasks     = 0
  maximum_tasks     = 4
  queue_names       = ["desk-feedback-files", "desk-feedback-chunks"]
  backlog_per_task  = 500
  metric_namespace  = "desk"
  key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/11111111-1111-1111-1111-111111111111"
}

run "nothing_starts_before_the_first_image" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.desired_count == 0
    error_message = "tasks would fail to pull an image that does not exist"
  }
  assert {
    condition = alltrue([
      aws_appautoscaling_target.this.suspended_state[0].dynamic_scaling_in_suspended,
      aws_appautoscaling_target.this.suspended_state[0].dynamic_scaling_out_suspended,
      aws_appautoscaling_target.this.suspended_state[0].scheduled_scaling_suspended,
    ])
    error_message = "scaling would start tasks without an image"
  }
}

run "a_single_task_has_room_for_its_successor" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_maximum_percent == 200
    error_message = "a deployment would hang, or leave the service without a task"
  }
}

run "a_bad_build_is_rolled_back" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "tasks that do not start stay"
  }
  assert {
    condition     = aws_ecs_service.this.alarms[0].enable && aws_ecs_service.this.alarms[0].rollback && aws_ecs_service.this.alarms[0].alarm_names == toset(["desk-feedback-tagger-crashes"])
    error_message = "tasks that crash at work stay, or something other than the build rolls it back"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.crashes.treat_missing_data == "notBreaching"
    error_message = "a service without tasks would roll back its deployment"
  }
}

run "the_on_demand_base_comes_first_and_spot_takes_the_rest" {
  command = plan

  assert {
    condition     = [for one in aws_ecs_service.this.capacity_provider_strategy : [one.base, one.weight] if one.capacity_provider == "FARGATE"] == [[1, 0]]
    error_message = "no task would be safe from Spot's two minutes' notice"
  }
  assert {
    condition     = [for one in aws_ecs_service.this.capacity_provider_strategy : one.weight if one.capacity_provider == "FARGATE_SPOT"] == [1]
    error_message = "nothing would run on Spot"
  }
}

run "without_spot_everything_runs_on_demand" {
  command = plan
  variables {
    spot = false
  }

  assert {
    condition     = [for one in aws_ecs_service.this.capacity_provider_strategy : one.capacity_provider] == ["FARGATE"]
    error_message = "Spot is used all the same"
  }
}

run "tasks_have_no_public_address_and_no_shell" {
  command = plan

  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip && !aws_ecs_service.this.enable_execute_command
    error_message = "tasks can be reached"
  }
}

run "each_step_of_the_backlog_is_one_task_more" {
  command = plan

  assert {
    condition = {
      for step in aws_appautoscaling_policy.backlog.step_scaling_policy_configuration[0].step_adjustment :
      step.metric_interval_lower_bound => step.scaling_adjustment
    } == { "0" = 1, "500" = 2, "1000" = 3, "1500" = 4 }
    error_message = "tasks do not follow the backlog"
  }
  assert {
    condition     = aws_appautoscaling_policy.backlog.step_scaling_policy_configuration[0].adjustment_type == "ExactCapacity"
    error_message = "every minute of backlog would add tasks"
  }
}

run "one_message_wakes_a_service_from_zero" {
  command = plan

  assert {
    condition     = aws_cloudwatch_metric_alarm.backlog.threshold == 1 && aws_cloudwatch_metric_alarm.backlog.evaluation_periods == 1
    error_message = "a lone message would wait"
  }
  assert {
    condition = length([
      for query in aws_cloudwatch_metric_alarm.backlog.metric_query : query.id
      if try(contains(var.queue_names, query.metric[0].dimensions["QueueName"]), false)
    ]) == 4
    error_message = "a queue, or what is in flight, is not looked at"
  }
}

run "a_service_with_work_in_flight_is_not_idle" {
  command = plan

  assert {
    condition = length([
      for query in aws_cloudwatch_metric_alarm.idle.metric_query : query.id
      if try(query.metric[0].metric_name, "") == "ApproximateNumberOfMessagesNotVisible"
    ]) == 2
    error_message = "tasks would be stopped at their work"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.idle.evaluation_periods == 15 && aws_cloudwatch_metric_alarm.idle.treat_missing_data == "breaching"
    error_message = "tasks would come and go, or stay for ever"
  }
}

run "open_work_outside_the_queues_keeps_a_task" {
  command = plan
  variables {
    work_metric = { namespace = "Ours", name = "OpenRuns", dimensions = { deployment = "desk" } }
  }

  assert {
    condition = [
      for query in aws_cloudwatch_metric_alarm.idle.metric_query : [query.metric[0].dimensions, query.return_data]
      if try(query.metric[0].metric_name, "") == "OpenRuns"
    ] == [[tomap({ deployment = "desk" }), false]]
    error_message = "an open run would be left alone"
  }
  # The sum is over the metrics with this letter in their id.
  assert {
    condition = alltrue([
      for query in aws_cloudwatch_metric_alarm.idle.metric_query :
      query.return_data == true ? query.expression == "SUM(METRICS(\"m\"))" : startswith(query.id, "m")
    ])
    error_message = "the alarm would not count it"
  }
  assert {
    condition     = !contains([for query in aws_cloudwatch_metric_alarm.backlog.metric_query : try(query.metric[0].metric_name, "")], "OpenRuns")
    error_message = "open runs would be counted as messages, and start tasks that have nothing to do"
  }
}

run "a_sleeping_service_looks_around_every_four_hours" {
  command = plan

  assert {
    condition     = aws_appautoscaling_scheduled_action.look_around["begin"].schedule == "cron(0 0/4 * * ? *)" && tostring(aws_appautoscaling_scheduled_action.look_around["end"].scalable_target_action[0].min_capacity) == "0"
    error_message = "queues go silent, and what was left open stays open"
  }
}

run "a_service_that_always_runs_never_goes_below_its_minimum" {
  command = plan
  variables {
    minimum_tasks = 2
  }

  assert {
    condition     = length(aws_appautoscaling_scheduled_action.look_around) == 0
    error_message = "the schedule would take the service to zero"
  }
  assert {
    condition     = aws_appautoscaling_target.this.min_capacity == 2 && one(aws_appautoscaling_policy.idle.step_scaling_policy_configuration[0].step_adjustment).scaling_adjustment == 2
    error_message = "idle means fewer tasks than the minimum"
  }
  assert {
    condition     = min([for step in aws_appautoscaling_policy.backlog.step_scaling_policy_configuration[0].step_adjustment : step.scaling_adjustment]...) == 2
    error_message = "a small backlog would take tasks away"
  }
}

run "more_steps_than_scaling_takes_are_refused" {
  command = plan
  variables {
    maximum_tasks = 21
  }
  expect_failures = [var.maximum_tasks]
}

run "a_maximum_below_the_minimum_is_refused" {
  command = plan
  variables {
    minimum_tasks = 3
    maximum_tasks = 2
  }
  expect_failures = [var.maximum_tasks]
}

run "one_zone_is_refused" {
  command = plan
  variables {
    subnet_ids = ["subnet-1"]
  }
  expect_failures = [var.subnet_ids]
}

run "more_queues_than_an_alarm_takes_are_refused" {
  command = plan
  variables {
    queue_names = ["a", "b", "c", "d", "e"]
  }
  expect_failures = [var.queue_names]
}

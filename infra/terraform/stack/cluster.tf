resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:on by container_insights, with its price; alarms and scaling do without

  name = var.name

  setting {
    name = "containerInsights"
    # Metrics of each task, about $10 a month for two small services. Alarms and scaling do without.
    value = var.container_insights ? "enhanced" : "disabled"
  }
}

locals {
  # By the name that the capacity providers give back: a service that is made before they are there is refused.
  cluster_arn = "arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:cluster/${aws_ecs_cluster_capacity_providers.this.cluster_name}"
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

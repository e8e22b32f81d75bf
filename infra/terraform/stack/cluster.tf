resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:on by container_insights, with its price; alarms and scaling do without

  name = var.name

  setting {
    name = "containerInsights"
    # Metrics of each task, about $10 a month for two small services. Alarms and scaling do without.
    value = var.container_insights ? "enhanced" : "disabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

locals {
  # Short name => its keys. local/provisioning.py makes the same for the embedded cloud.
  tables = {
    User          = { partition_key = "employeeId" }
    Environment   = { partition_key = "environmentId" }
    ResolverGroup = { partition_key = "groupId" }
    UserAccess    = { partition_key = "employeeId", sort_key = "environmentId" }
    Ticket = {
      partition_key = "ticketId"
      sort_key      = "employeeId"
      stream        = true
      index         = { name = "agenda", partition_key = "agenda", sort_key = "dueAt" }
    }
    Ledger      = { partition_key = "ticketId", sort_key = "entry" }
    Lease       = { partition_key = "leaseKey" }
    Idempotency = { partition_key = "idempotencyKey", expires_at_attribute = "expiresAt" }
  }
}

module "table" {
  source   = "../../modules/table"
  for_each = local.tables

  name                 = "${var.name}-${each.key}"
  partition_key        = each.value.partition_key
  sort_key             = lookup(each.value, "sort_key", null)
  stream               = lookup(each.value, "stream", false)
  index                = lookup(each.value, "index", null)
  expires_at_attribute = lookup(each.value, "expires_at_attribute", null)
  key_arn              = var.key_arn
  protect              = var.protect
}

module "bucket" {
  source = "../../modules/bucket"

  name           = var.bucket_name
  key_arn        = var.key_arn
  retention_days = var.upload_retention_days
  protect        = var.protect

  # rejects/ and runs/ are ours: a notification about them would make a report a feedback file.
  notifications = { feedback-files = { queue_arn = var.uploads_queue_arn, prefix = "uploads/" } }
}

module "storage" {
  source = "./storage"

  name                  = var.name
  bucket_name           = local.bucket_name
  key_arn               = module.keys.data_key_arn
  uploads_queue_arn     = module.messaging.queue_arns["feedback-files"]
  upload_retention_days = var.upload_retention_days
  protect               = var.protect
}

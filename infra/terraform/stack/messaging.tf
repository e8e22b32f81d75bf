module "messaging" {
  source = "./messaging"

  name                       = var.name
  key_arn                    = module.keys.messages_key_arn
  bucket_arn                 = local.bucket_arn
  visibility_timeout_seconds = var.visibility_timeout_seconds
  ticket_update_emails       = var.ticket_update_emails
  run_result_emails          = var.run_result_emails
}

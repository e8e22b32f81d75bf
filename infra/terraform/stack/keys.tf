module "keys" {
  source = "./keys"

  name    = var.name
  protect = var.protect
}

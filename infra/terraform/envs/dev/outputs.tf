output "deskhand" {
  description = "What the command line and `make push` read."
  value       = module.deskhand
}

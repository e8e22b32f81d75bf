output "deskhand" {
  description = "Names and addresses of what there is, for whoever pushes an image or looks something up."
  value       = module.deskhand
}

# What of the optional parts is on, for those files here that have to know.
locals {
  dashboards_enabled = false

  # Endpoints that only they need.
  optional_interface_services = []
}

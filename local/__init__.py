"""The embedded cloud: what stands in for AWS on one machine."""

"""What people order about categories and labels, as documents in the bucket."""

"""Finding the passages of the policy that a ticket needs."""

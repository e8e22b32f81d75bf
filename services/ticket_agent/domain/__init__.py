"""What a ticket, an access and an outcome are. Pure; knows the standard library only."""

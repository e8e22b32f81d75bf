"""Letting a model work on a ticket: the port, the loop, the budget, the prompt."""

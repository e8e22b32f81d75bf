"""Resolves or assigns IT tickets with an agent that can act but cannot overstep."""

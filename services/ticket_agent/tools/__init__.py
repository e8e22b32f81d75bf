"""What the agent can do, one file a tool; registry.TOOLS lists them."""

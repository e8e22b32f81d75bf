"""What both services stand on; imports no service."""

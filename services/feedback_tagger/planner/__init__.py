"""How rows become prompts and answers become labels; pure."""

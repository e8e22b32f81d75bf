"""Getting a label for every row: prompts sent and read, with examples, and what is looked up on the way."""

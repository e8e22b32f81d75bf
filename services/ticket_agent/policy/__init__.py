"""The rules: what the guard enforces (access.cedar) and what people and the model read (the Markdown files)."""

"""How good a task's answers are, by a file of rows whose right answers are known."""

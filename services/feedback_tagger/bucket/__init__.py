"""The bucket that files come in by and that reports are left in."""

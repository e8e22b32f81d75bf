"""Asking a language model, and what it costs."""

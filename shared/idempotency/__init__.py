"""Doing a piece of work once, whoever is asked to do it and however often."""

"""Telling people and other systems what happened."""

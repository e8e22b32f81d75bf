"""The JSON Schemas of the messages that users send to this service."""

"""Opening AWS clients, and translating what botocore raises into the two shared errors."""

"""A local Bedrock endpoint that the unmodified AWS SDK talks to over HTTP."""

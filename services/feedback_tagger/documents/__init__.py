"""What the documents that customers send say: e-mails and shop pages, read safely; pure, on parsers of others."""

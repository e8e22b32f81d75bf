mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name              = "deskhand"
  bucket_name       = "deskhand-uploads-123456789012-eu-central-1"
  key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  uploads_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:deskhand-feedback-files"
}

run "every_table_is_there_by_its_name" {
  assert {
    condition = output.table_names == { for name in
      ["User", "Environment", "ResolverGroup", "UserAccess", "Ticket", "Ledger", "Lease", "Idempotency"] : name => "deskhand-${name}"
    }
    error_message = "The services are told these names."
  }
}

run "tickets_alone_have_a_stream" {
  assert {
    condition     = [for name, table in local.tables : name if lookup(table, "stream", false)] == ["Ticket"]
    error_message = "Without the stream no ticket is worked on; another one would be paid for and read by nobody."
  }

  assert {
    condition     = endswith(output.ticket_agenda_index_arn, "/index/agenda")
    error_message = "The sweeper queries this index."
  }
}

run "uploads_are_told_to_the_tagger" {
  assert {
    condition     = output.bucket_name == "deskhand-uploads-123456789012-eu-central-1"
    error_message = "The queue's policy names this bucket."
  }
}

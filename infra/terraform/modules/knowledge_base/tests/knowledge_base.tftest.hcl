mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name      = "desk-policy"
  documents = { "access_policy.md" = "main.tf" }
  bucket    = { name = "desk-uploads", arn = "arn:aws:s3:::desk-uploads" }
  key_arn   = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "vectors_have_the_length_that_the_model_gives" {
  assert {
    condition     = aws_s3vectors_index.this.dimension == 1024 && aws_bedrockagent_knowledge_base.this.knowledge_base_configuration[0].vector_knowledge_base_configuration[0].embedding_model_configuration[0].bedrock_embedding_model_configuration[0].dimensions == 1024
    error_message = "Every ingestion would fail."
  }
}

run "the_text_does_not_have_to_fit_the_filterable_metadata" {
  assert {
    condition     = contains(aws_s3vectors_index.this.metadata_configuration[0].non_filterable_metadata_keys, "AMAZON_BEDROCK_TEXT")
    error_message = "Passages longer than 2 KB would be refused, and the index cannot be changed later."
  }
}

run "only_the_documents_are_read" {
  assert {
    condition     = aws_bedrockagent_data_source.documents.data_source_configuration[0].s3_configuration[0].inclusion_prefixes == toset(["knowledge/"])
    error_message = "Feedback files would be read in as policy."
  }
  assert {
    condition     = [for statement in data.aws_iam_policy_document.knowledge_base.statement : statement.resources if contains(statement.actions, "s3:GetObject")] == [toset(["arn:aws:s3:::desk-uploads/knowledge/*"])]
    error_message = "The knowledge base may read uploads."
  }
}

run "passages_are_cut_as_the_reference_cuts_them" {
  assert {
    condition     = aws_bedrockagent_data_source.documents.vector_ingestion_configuration[0].chunking_configuration[0].fixed_size_chunking_configuration[0].max_tokens == 512
    error_message = "Passages are cut in another way."
  }
}

run "no_documents_are_refused" {
  command = plan
  variables {
    documents = {}
  }
  expect_failures = [var.documents]
}

run "a_length_that_titan_does_not_give_is_refused" {
  command = plan
  variables {
    dimensions = 1536
  }
  expect_failures = [var.dimensions]
}

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name    = "desk-ticket-agent"
  key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "what_was_tested_under_a_tag_stays_under_it" {
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "Another image could take the place of a tested one."
  }
}

run "every_image_is_scanned_and_encrypted" {
  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push && aws_ecr_repository.this.encryption_configuration[0].kms_key == var.key_arn
    error_message = "Nobody looks for known holes, or the image lies open."
  }
}

run "old_images_go_and_enough_stay_to_roll_back_to" {
  assert {
    condition     = jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[1].selection.countNumber == 20
    error_message = "Images pile up, or the one to roll back to is gone."
  }
}

run "a_destroy_stops_at_images" {
  assert {
    condition     = !aws_ecr_repository.this.force_delete
    error_message = "A destroy would delete every image without a word."
  }
}

run "too_few_images_are_refused" {
  command = plan
  variables {
    keep_images = 2
  }
  expect_failures = [var.keep_images]
}

locals {
  suffix = var.fifo ? ".fifo" : ""

  # High throughput needs both together; SQS refuses one without the other.
  deduplication_scope   = var.fifo ? "messageGroup" : null
  fifo_throughput_limit = var.fifo ? "perMessageGroupId" : null
}

resource "aws_sqs_queue" "work" {
  name                       = "${var.name}${local.suffix}"
  fifo_queue                 = var.fifo
  deduplication_scope        = local.deduplication_scope
  fifo_throughput_limit      = local.fifo_throughput_limit
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = var.retention_seconds
  receive_wait_time_seconds  = 20
  kms_master_key_id          = var.key_arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue" "dead_letter" {
  name       = "${var.name}-dead${local.suffix}"
  fifo_queue = var.fifo

  # A dead letter keeps its first enqueue time: this must be longer than the work queue's, or a late one dies at once.
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = var.visibility_timeout_seconds
  kms_master_key_id          = var.key_arn
}

# A queue of its own for every work queue: no other may fill it.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letter" {
  queue_url = aws_sqs_queue.dead_letter.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.work.arn]
  })
}

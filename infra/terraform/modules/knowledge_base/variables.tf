variable "name" {
  description = "Name of the knowledge base, its vectors and its role."
  type        = string
}

variable "documents" {
  description = "The policy documents: file name => path. services/ticket_agent/policy holds them."
  type        = map(string)

  validation {
    condition     = length(var.documents) > 0
    error_message = "documents: at least one; an empty knowledge base answers every search with nothing, and every ticket goes to a person."
  }
}

variable "bucket" {
  description = "Bucket that the documents are put into."
  type        = object({ name = string, arn = string })
}

variable "embedding_model_id" {
  description = "Model of the embeddings."
  type        = string
  default     = "amazon.titan-embed-text-v2:0"
}

variable "dimensions" {
  description = "Length of the vectors; the embedding model must give such, and the index cannot be changed later."
  type        = number
  default     = 1024

  validation {
    condition     = contains([256, 512, 1024], var.dimensions)
    error_message = "dimensions: 256, 512 or 1024, what Titan v2 gives; with another length every ingestion fails."
  }
}

variable "key_arn" {
  description = "KMS key of the documents."
  type        = string
}

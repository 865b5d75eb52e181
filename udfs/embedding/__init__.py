"""From descriptors to embeddings, and the samples that training needs."""

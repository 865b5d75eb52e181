"""From embeddings to candidate pairs: representatives, search and common footage."""

"""Embeddings as other systems take them."""

"""Exports embeddings to other systems."""

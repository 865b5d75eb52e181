"""Clusters videos by their pairs, and chooses the keeper of each cluster."""

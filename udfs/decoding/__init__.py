"""Decodes the sampled frames of videos in child processes."""

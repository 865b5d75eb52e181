"""Embeds descriptors, and samples frames for training."""

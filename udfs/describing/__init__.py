"""Computes the frame descriptors of videos, in batches."""

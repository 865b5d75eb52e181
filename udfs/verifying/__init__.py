"""Verifies candidate pairs: aligns two videos in time and evaluates the evidence that they share footage."""

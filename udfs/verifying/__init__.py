"""Aligns two videos in time and weighs the evidence that they share footage."""

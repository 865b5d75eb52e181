"""Illustrates pairs of videos for review."""

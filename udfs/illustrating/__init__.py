"""Frames of two videos at matched seconds, as pictures for a person."""

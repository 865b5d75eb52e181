"""The second look: registers the pixels of two aligned videos and measures whether places and changes agree."""

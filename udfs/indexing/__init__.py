"""Writes and reads the shards of the index that one video is checked against."""

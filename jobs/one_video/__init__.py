"""Checks one video against the index of a lake."""

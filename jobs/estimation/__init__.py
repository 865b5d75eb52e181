"""Measures precision and recall of a lake on answers about drawn pairs."""

"""Clusters on Spark: connected components of any size, stable cluster ids, and decisions."""

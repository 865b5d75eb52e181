"""Clusters over Spark: connected components of any size, names that last, and decisions."""

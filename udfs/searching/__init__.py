"""Searches all pairs of vectors over Spark partitions: transport, grouping into tasks, and comparison."""

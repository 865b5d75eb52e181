"""Searching all pairs over Spark partitions: how vectors travel, which meet in one task, and how they are compared."""

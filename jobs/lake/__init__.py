"""Access to the lake: Delta tables, their files, commits, the Spark session and locations."""

"""Access to the lake: Delta tables, their commits and files, the Spark session, and locations."""

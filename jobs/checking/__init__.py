"""The one-video check: is this video a near-duplicate of one that the lake knows? Without Spark, in one process."""

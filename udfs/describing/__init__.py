"""From a video file to its descriptors, in batches."""

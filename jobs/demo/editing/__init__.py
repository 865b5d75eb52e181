"""From a video to an edited copy of it, as re-uploaders make them."""

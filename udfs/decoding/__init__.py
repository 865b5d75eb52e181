"""From an open file to sampled frames, in child processes that may die."""

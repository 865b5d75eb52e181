"""What a build function may use: table contracts, the run, stages as types, progress and the run log."""

"""What a build function may use: table contracts, the run, stage types, progress and the run log."""

"""Review pages: what a run found, as a folder of files that a browser opens without a network."""

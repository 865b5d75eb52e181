"""Review pages: the clusters of a run, as a folder of files that a browser opens offline."""

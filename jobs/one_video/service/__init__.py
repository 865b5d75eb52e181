"""The service around the one-video check: HTTP in, JSON out. Needs the extra `serve`."""

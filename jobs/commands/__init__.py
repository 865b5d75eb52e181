"""One module per command of `ndvr`, and what they share."""

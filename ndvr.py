"""ndvr from Python: open a lake and ask about one video."""

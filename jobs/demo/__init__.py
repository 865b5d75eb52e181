"""The demo: real clips from public packages, made into a catalogue whose duplicates are known."""

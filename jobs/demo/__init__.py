"""The demo: real clips from public packages, built into a catalogue with known duplicates."""

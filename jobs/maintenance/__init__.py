"""Maintenance of a lake: compaction, expiry, cleaning up after killed runs, and upgrades of old schemas."""

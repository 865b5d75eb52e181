"""A backfill: the past described in shards, within a budget, beside the nights."""

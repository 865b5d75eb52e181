"""Runs the pipeline: nights and backfills, claims, audits, summaries and metrics."""

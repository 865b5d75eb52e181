"""Shares results with other programs: exported vectors and SQL views."""

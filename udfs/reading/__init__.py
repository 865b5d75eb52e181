"""The records of text files that people write: CSV and JSON lines, each record with its line."""

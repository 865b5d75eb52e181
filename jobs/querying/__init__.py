"""Answers SQL statements: with DuckDB where its answer is that of Spark, otherwise with Spark."""

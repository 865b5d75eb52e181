"""Rows to rows on executors: numpy and pandas kernels, then thin Spark adapters."""

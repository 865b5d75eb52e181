"""The driver: Spark, Delta, configuration and the command line."""

import ndvr_start  # noqa: F401 - imports `models` and `udfs` from beside this package

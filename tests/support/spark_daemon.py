"""Spark's daemon for Python workers, with the imports of this project done before it forks any worker.

A worker is forked for each task that runs beside others, and again after a minute without work. Each would import
torch, which takes more processor time than most tests' own work. Tests of tests/submit use Spark's own daemon.
"""

from __future__ import annotations

import faiss  # noqa: F401 -- imported for the workers
import pandas as pd  # noqa: F401 -- as above
import pyarrow as pa  # noqa: F401 -- as above
import torch  # noqa: F401 -- as above
from pyspark.daemon import manager

import models.describer  # noqa: F401 -- as above
import udfs.describing.describe  # noqa: F401 -- as above

if __name__ == "__main__":
    manager()

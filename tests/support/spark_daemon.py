"""The daemon of Spark for Python workers. It imports the modules of this project before it forks workers.

Spark forks a worker for each parallel task, and again after a minute without work. Each worker would import torch,
which takes more CPU time than most tests. Tests in tests/submit use the standard daemon of Spark.
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

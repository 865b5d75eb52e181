"""The archive of Spark's loaded classes, which halves the time that a JVM takes to its first query.

`make test` creates it once (`python -m tests.support.class_archive FILE`); without it the tests only take longer.
See "Class Data Sharing" in the manual of java 17.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ARCHIVE = Path(__file__).parents[2] / ".venv" / "spark-classes.jsa"
# The JVM ignores an archive for another JVM or class path. It must not write a warning into the output of a test.
_QUIET = "-Xlog:disable -Xlog:all=error:stderr"


def java_options() -> str:
    """Return the JVM options that use the archive; empty if there is none."""
    return f"-XX:SharedArchiveFile={ARCHIVE} {_QUIET}" if ARCHIVE.exists() else ""


def use_archive() -> None:
    """Let every JVM that spark-submit starts for this process and its children use the archive."""
    os.environ["SPARK_SUBMIT_OPTS"] = " ".join(filter(None, (os.environ.get("SPARK_SUBMIT_OPTS"), java_options())))


def main(archive: str) -> None:
    """Run a few queries in a JVM that writes the archive when it ends."""
    from tests.support.session import start_test_session

    unfinished = f"{archive}.unfinished"
    os.environ["SPARK_SUBMIT_OPTS"] = f"-XX:ArchiveClassesAtExit={unfinished} -Xlog:disable"
    with tempfile.TemporaryDirectory() as folder:
        spark = start_test_session(Path(folder))
        table = f"{folder}/table"
        spark.range(10).selectExpr("id", "id % 3 AS part").write.format("delta").save(table)
        spark.sql(
            f"MERGE INTO delta.`{table}` AS target USING (SELECT 5 AS id, 1 AS part) AS source "
            "ON target.id = source.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )
        read = spark.read.format("delta").load(table)
        read.groupBy("part").count().join(read, "part").select("id", "part").mapInPandas(
            lambda batches: batches, read.schema
        ).collect()
        spark.sql(f"DESCRIBE HISTORY delta.`{table}`").collect()
        gateway = spark.sparkContext._gateway
        spark.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()  # the JVM ends at the end of its input
        gateway.proc.wait()
    Path(unfinished).replace(archive)


if __name__ == "__main__":
    main(sys.argv[1])

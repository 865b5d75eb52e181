"""Counts rows that two drivers lose or write twice when they commit to one Delta table in an S3 store at once.

The store is a server on this machine that delays each request by a random time. Each driver appends rows one by one,
with the locks of ndvr (`jobs.lake.commit_locks`), or without them, as Delta does by default.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication  # noqa: TC003 - a base of a type

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import REPOSITORY, print_table
from tests.support.object_store import ObjectStore, run_object_store

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEMA = "driver STRING, number INT"
_NUM_DRIVERS = 2


def main() -> None:
    """Race with and without locks, and print the table; exit with 1 if a locked commit is lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=50, help="commits of each driver")
    parser.add_argument("--delay-ms", type=float, default=30.0, help="longest delay of a request")
    parser.add_argument("--drive", nargs=2, metavar=("URI", "DRIVER"), help=argparse.SUPPRESS)
    parser.add_argument("--without-locks", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        drive(*given.drive, given.commits, has_locks=not given.without_locks)
        return
    delay_seconds = given.delay_ms / 1000
    with run_object_store(lambda app: delay(app, delay_seconds)) as store:
        rows = [race(store, given.commits, has_locks=has_locks) for has_locks in (False, True)]
    headings = ("locks", "commits", "lost", "doubled", "drivers that failed", "seconds per commit")
    print_table(f"{_NUM_DRIVERS} drivers, one table", headings, [[str(cell) for cell in row] for row in rows])
    sys.exit(any(rows[1][2:5]))


def delay(app: WSGIApplication, longest_seconds: float) -> WSGIApplication:
    """Return a server that waits before it handles a request, so that requests of two drivers overtake each other."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401 - of WSGI
        time.sleep(random.uniform(0, longest_seconds))
        return app(environ, start_response)

    return serve


def race(store: ObjectStore, num_commits: int, *, has_locks: bool) -> tuple[Any, ...]:
    """Let the drivers commit to a new table at once, and count its rows."""
    uri = f"s3a://{store.make_bucket()}/lake"
    environment = os.environ | store.environment | {"OMP_NUM_THREADS": "1"}
    script = [sys.executable, str(Path(__file__).absolute()), "--commits", str(num_commits)]
    options = [] if has_locks else ["--without-locks"]

    def run(driver: str) -> subprocess.CompletedProcess[str]:
        command = [*script, "--drive", uri, driver, *options]
        return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    run("setup").check_returncode()
    started = time.monotonic()
    done: list[subprocess.CompletedProcess[str]] = []
    threads = [threading.Thread(target=lambda n=n: done.append(run(str(n)))) for n in range(_NUM_DRIVERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - started
    counted = run("count")
    counted.check_returncode()
    num_rows, num_distinct = map(int, counted.stdout.split())
    wanted = _NUM_DRIVERS * num_commits
    failed = [one for one in done if one.returncode]
    for one in failed:
        sys.stderr.write(one.stderr[-2000:])
    lost, doubled = wanted - num_distinct, num_rows - num_distinct
    return "yes" if has_locks else "no", wanted, lost, doubled, len(failed), round(seconds / wanted, 2)


def drive(uri: str, driver: str, num_commits: int, *, has_locks: bool) -> None:
    """Create the table, append rows to it, or print the number of its rows and of its different rows."""
    from jobs.lake.commits import retry_conflicts
    from jobs.lake.lake import Lake
    from jobs.lake.session import start_session

    spark = start_session("race", uri)
    lake, path = Lake(spark, uri), f"{uri}/raced"
    if driver == "count":
        rows = spark.read.format("delta").load(path)
        sys.stdout.write(f"{rows.count()} {rows.distinct().count()}\n")
        return
    if driver == "setup":
        spark.createDataFrame([], _SCHEMA).write.format("delta").save(path)
        return
    for number in range(num_commits):
        row = spark.createDataFrame([(driver, number)], _SCHEMA).coalesce(1)
        append = partial(row.write.format("delta").mode("append").save, path)
        retry_conflicts(partial(lake.locks.run, "raced", append) if has_locks else append, "raced")


if __name__ == "__main__":
    main()

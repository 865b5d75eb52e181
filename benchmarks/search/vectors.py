"""Synthetic embeddings and a Spark session for the search benchmarks."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pyspark.sql import SparkSession

DIM = 256
THRESHOLD = 0.8
_TOPIC_ROWS = 200
_TOPIC_SPREAD, _COPY_SPREAD = 0.9, 0.3
_COPIED_FRACTION = 0.1
_BATCH_ROWS = 100_000
_POLL_SECONDS = 0.2
_MIN_GIB = 0.1


def draw_vectors(count: int, seed: int = 0, dim: int = DIM) -> NDArray[np.float32]:
    """Draw embeddings with clusters like those of videos, and planted copies.

    Topics are drawn around fewer, wider themes, and their sizes follow Zipf's law. Videos are drawn around their topic.
    The standard deviation of a dimension falls with the square root of its number. A tenth of the videos are noisy
    copies of others, with a cosine of .85 or more.

    Returns:
        float32 (count, dim), unit norm.
    """
    rng = np.random.default_rng(seed)
    spectrum = (1 / np.sqrt(1 + np.arange(dim) / 8)).astype(np.float32)
    num_topics = max(10, count // _TOPIC_ROWS)
    themes = rng.standard_normal((max(5, num_topics // 20), dim), dtype=np.float32)
    topics = themes[rng.integers(0, len(themes), num_topics)]
    topics = (topics + rng.standard_normal(topics.shape, dtype=np.float32)) * spectrum
    weights = 1 / np.arange(10, num_topics + 10)
    topic_of = rng.choice(num_topics, count, p=weights / weights.sum())
    vectors = np.empty((count, dim), dtype=np.float32)
    for begin in range(0, count, _BATCH_ROWS):
        part = slice(begin, begin + _BATCH_ROWS)
        noise = rng.standard_normal((len(topic_of[part]), dim), dtype=np.float32)
        vectors[part] = topics[topic_of[part]] + _TOPIC_SPREAD * 2 * spectrum * noise
    num_copies = int(count * _COPIED_FRACTION)
    copies = rng.choice(count, 2 * num_copies, replace=False)
    norms = np.linalg.norm(vectors[copies[:num_copies]], axis=1, keepdims=True)
    noise = rng.standard_normal((num_copies, dim), dtype=np.float32)
    noise *= norms / np.linalg.norm(noise, axis=1, keepdims=True)
    strength = rng.uniform(0, 2 * _COPY_SPREAD, (num_copies, 1)).astype(np.float32)
    vectors[copies[num_copies:]] = vectors[copies[:num_copies]] + strength * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def name_rows(count: int) -> NDArray[np.str_]:
    """Return the video_id of each row."""
    return np.char.mod("video-%09d", np.arange(count))


def write_vectors(folder: Path, vectors: NDArray[np.float32], num_unsearched: int | None = None) -> str:
    """Write the input of `search_candidates` as Parquet files, with the last `num_unsearched` rows new, or all."""
    folder.mkdir()
    names = name_rows(len(vectors))
    first_unsearched = 0 if num_unsearched is None else len(vectors) - num_unsearched
    step = max(5_000, len(vectors) // 64)
    for number, begin in enumerate(range(0, len(vectors), step)):
        part = vectors[begin : begin + step]
        values = pa.ListArray.from_arrays(
            pa.array(np.arange(len(part) + 1, dtype=np.int32) * DIM), pa.array(part.ravel())
        )
        columns = {
            "video_id": pa.array(names[begin : begin + step]),
            "segment_index": pa.array(np.zeros(len(part), dtype=np.int32)),
            "vector": values,
            "is_unsearched": pa.array(np.arange(begin, begin + len(part)) >= first_unsearched),
        }
        pq.write_table(pa.table(columns), folder / f"{number:05}.parquet", use_dictionary=False)
    return str(folder)


def start_bench_session(folder: Path, num_cores: int) -> SparkSession:
    """Start a session like that of `ndvr nightly`."""
    from jobs.lake.session import start_session

    conf = {"spark.local.dir": str(folder / "local")}
    return start_session("ndvr bench", master=f"local[{num_cores}]", conf=conf, spark_log=folder / "spark.log")


class Peak:
    """The peak memory of the largest process of each kind in this process tree, in GiB."""

    def __init__(self) -> None:
        self.gib: dict[str, float] = {}

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """List the peak of each kind that is large enough to matter."""
        return ", ".join(f"{name} {gib:.1f}" for name, gib in sorted(self.gib.items()) if gib >= _MIN_GIB)

    def sample(self) -> None:
        """Update the peaks from /proc."""
        import os

        children: dict[int, list[int]] = {}
        facts: dict[int, tuple[str, float]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
                except (OSError, ValueError):
                    continue
                children.setdefault(int(status["PPid"]), []).append(int(entry.name))
                facts[int(entry.name)] = (status["Name"].strip(), int(status.get("VmRSS", "0 kB").split()[0]) / 2**20)
        below = list(children.get(os.getpid(), []))
        for pid in below:
            below += children.get(pid, [])
        for pid in (os.getpid(), *below):
            if pid in facts:
                name = "driver's Python" if pid == os.getpid() else facts[pid][0]
                self.gib[name] = max(self.gib.get(name, 0.0), facts[pid][1])


@contextmanager
def watch_memory() -> Iterator[Peak]:
    """Sample the memory of the process tree in a thread."""
    peak, is_done = Peak(), threading.Event()

    def watch() -> None:
        while not is_done.is_set():
            peak.sample()
            time.sleep(_POLL_SECONDS)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        is_done.set()
        thread.join()

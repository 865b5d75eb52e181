"""How long a 15-second clip takes to be answered, cold and warm, against indexes of several sizes."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import measure, print_table
from benchmarks.query.catalogue import SEGMENTS_PER_VIDEO, publish_catalogue
from jobs.one_video.checker import Checker
from tests.support.indexes import embed_videos
from tests.support.videos import make_video

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LIMIT_SECONDS = 1.0
_CLIP_SECONDS = 15
_REPEATS = 5
_NEIGHBOURS = 10
_FAISS_DEFAULT = 20
_COLD = (
    "import sys, time; started = time.monotonic(); import ndvr\n"
    "with ndvr.open(sys.argv[1]) as lake: lake.query(sys.argv[2]); print(time.monotonic() - started)"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000], help="segments in the index")
    parser.add_argument("--clip", type=Path, help="a 15-second clip; a generated one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clip = arguments.clip or make_video(folder / "clip.mp4", seconds=_CLIP_SECONDS, fps=25, size=(640, 360))
        rows = embed_videos({"clip": clip})
        for size in arguments.sizes:
            lake = folder / f"lake-{size}"
            publish_catalogue(lake, size, rows)
            measure_lake(lake, clip, np.stack([row["vector"] for row in rows]), size)
            shutil.rmtree(lake)


def measure_lake(lake: Path, clip: Path, queries: NDArray[np.float32], size: int) -> None:
    """Ask one lake, and print what its parts took."""
    cold = float(
        subprocess.check_output([sys.executable, "-c", _COLD, str(lake), str(clip)], cwd=Path(__file__).parents[2])
    )
    with Checker(str(lake)) as checker:
        answer = checker.check(str(clip))
        index = checker._state.context.index  # noqa: SLF001 -- its parts are measured one by one
        warm = best(lambda: checker.check(str(clip)))
        processor = measure(lambda: checker.check(str(clip))).cpu_seconds
        embed = best(lambda: checker._state.embedder.embed(str(clip)))  # noqa: SLF001
        search = best(lambda: index.search(queries, 0.25))
        read = best(lambda: [float(shard.vectors.sum()) for shard in index.shards])
        alone = best(lambda: [search_alone(shard.vectors, queries) for shard in index.shards])
    print_table(
        f"{size:,} segments of {size // SEGMENTS_PER_VIDEO:,} videos in {len(index.shards)} shards; "
        f"{answer.num_compared} candidates aligned; seconds, the best of {_REPEATS}",
        (
            "cold process",
            "warm",
            "/ 1 s",
            "of processor",
            "describe",
            "search",
            "FAISS alone",
            "search / FAISS",
            "read once",
            "align",
        ),
        [
            (
                f"{cold:.2f}",
                f"{warm:.3f}",
                f"{warm / LIMIT_SECONDS:.2f}",
                f"{processor:.2f}",
                f"{embed:.3f}",
                f"{search:.3f}",
                f"{alone:.3f}",
                f"{search / alone:.2f}",
                f"{read:.3f}",
                f"{max(0.0, warm - embed - search):.3f}",
            )
        ],
    )


def search_alone(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> object:
    """Let FAISS find the nearest rows the usual way, without copying them, by its own rule of how it multiplies."""
    faiss.cvar.distance_compute_blas_threshold = _FAISS_DEFAULT
    return faiss.knn(queries, vectors, _NEIGHBOURS, metric=faiss.METRIC_INNER_PRODUCT)


def best(work: Callable[[], object]) -> float:
    """Return the least time of several."""
    times = []
    for _ in range(_REPEATS):
        started = time.monotonic()
        work()
        times.append(time.monotonic() - started)
    return min(times)


if __name__ == "__main__":
    main()

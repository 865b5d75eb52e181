"""Measures nightly runs of a catalogue that grows and changes: seconds per run, and table sizes.

Descriptors are random numbers, not made from files. All later stages are those of the nightly job.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

import numpy as np
from deltalake import DeltaTable

from benchmarks.measure import print_table
from jobs.config.settings import Config
from jobs.engine.night import run_nightly
from jobs.lake.lake import Lake
from jobs.lake.session import start_session
from jobs.maintenance.apply import run_maintenance
from jobs.tables import descriptors
from models.embedders import LinearHead
from models.embedding_models import find_model
from models.pooling import pool_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_CONFIG = Config.model_validate({"manifest": {"look_at_files": False}, "maintenance": {"retention_hours": 1e-3}})
_NUM_FRAMES, _SECONDS = 8, 8.0
_SPECTRUM = 1 / np.sqrt(
    1 + np.arange(512) / 8
)  # of embeddings: their variance differs between directions, as in real ones
_SPREAD = 0.7  # of descriptors around their mean, which has a norm below 1
_COPIED_FRACTION = 0.1
_CHANGED_FRACTION = 0.01
_COPY_NOISE, _FRAME_NOISE = 0.3, 0.7
_FIRST_NIGHT = date(2024, 1, 1)


@dataclass
class Video:
    """A video of the catalogue.

    Attributes:
        video_id: id of the video.
        source: number of its footage; copies have the same number.
        edition: incremented when its content is replaced.
        title: changed in some nights.
        is_removed: whether it is removed.
    """

    video_id: str
    source: int
    edition: int = 0
    title: str = "first"
    is_removed: bool = False


@dataclass(frozen=True)
class Night:
    """Seconds of a nightly run, and counts of the rows after it."""

    num_videos: int
    seconds: float
    num_pairs: int
    num_clusters: int


def main() -> None:
    """Run the nights, maintain the tables, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=1000, help="final number of videos; 10000 takes half an hour")
    parser.add_argument("--nights", type=int, default=5, help="number of nightly runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        nights = run_nights(folder, arguments.videos, arguments.nights)
        before = measure_tables(folder / "lake")
        started = time.monotonic()
        run_maintenance(str(folder / "lake"), _CONFIG)
        seconds = time.monotonic() - started
        report(nights, before, measure_tables(folder / "lake"), seconds)


def run_nights(folder: Path, num_videos: int, num_nights: int) -> list[Night]:
    """Run the nights. The catalogue grows by the same number of videos in each, up to `num_videos`."""
    rng = np.random.default_rng(0)
    lake = Lake(start_session("benchmark of nights"), str(folder / "lake"))
    lake.create(descriptors.TABLE)
    videos: list[Video] = []
    nights = []
    for number in range(num_nights):
        wanted = num_videos * (number + 1) // num_nights - len(videos)
        listed, described = change(videos, wanted, rng)
        describe(lake, described)
        nights.append(run_one(folder, listed, _FIRST_NIGHT + timedelta(days=number), len(videos)))
        print(f"night {number + 1}: {nights[-1]}", flush=True)
    return nights


def change(videos: list[Video], num_new: int, rng: np.random.Generator) -> tuple[list[Video], list[Video]]:
    """Add, remove, rename and replace videos; return the videos to list in the manifest, and those to describe."""
    picked = iter(rng.permutation([number for number, video in enumerate(videos) if not video.is_removed]).tolist())
    count = int(len(videos) * _CHANGED_FRACTION)
    removed, renamed, replaced = ([videos[next(picked)] for _ in range(count)] for _ in range(3))
    for video in removed:
        video.is_removed = True
    for video in renamed:
        video.title += " again"
    for video in replaced:
        video.edition += 1
    new = []
    for number in range(len(videos), len(videos) + num_new):
        is_copy = number > 0 and rng.random() < _COPIED_FRACTION
        source = videos[int(rng.integers(len(videos)))].source if is_copy and videos else number
        new.append(Video(f"video-{number:06d}", source))
    videos += new
    return [*removed, *renamed, *replaced, *new], [*replaced, *new]


def describe(lake: Lake, videos: Iterable[Video]) -> None:
    """Write descriptors in place of the describing stages, replacing those of the same videos."""
    rows = [describe_one(video) for video in videos]
    path = lake.path(descriptors.TABLE.name)
    ids = ", ".join(f"'{row['video_id']}'" for row in rows)
    lake.spark.sql(f"DELETE FROM delta.`{path}` WHERE video_id IN ({ids})")  # noqa: S608 - this script makes the ids
    frame = lake.spark.createDataFrame(rows, descriptors.TABLE.schema)
    frame.write.format("delta").mode("append").save(path)


def describe_one(video: Video) -> dict[str, object]:
    """Draw the descriptors of a video: frames around those of its footage, with independent noise for each copy.

    Embeddings are drawn and mapped back through the head, so that unrelated videos differ as much as real ones.
    """
    mean, inverse = invert_head()
    dim = len(_SPECTRUM)
    footage = np.random.default_rng((video.source, video.edition)).standard_normal((_NUM_FRAMES + 1, dim))
    own = np.random.default_rng((int(video.video_id[-6:]), video.edition, 1)).standard_normal((_NUM_FRAMES, dim))
    drawn = ((footage[0] + _FRAME_NOISE * footage[1:] + _COPY_NOISE * own) * _SPECTRUM) @ inverse
    kept = (mean + _SPREAD * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16)
    facts = dict.fromkeys(("container_format", "video_codec", "decoder"), "drawn")
    sizes = dict.fromkeys(("size_bytes", "width_px", "height_px", "num_frames"), 320)
    return {
        "video_id": video.video_id,
        "descriptor_id": _CONFIG.describe.descriptor_id,
        "run_id": "drawn",
        "described_at": datetime.now(UTC),
        "uri": f"/videos/{video.video_id}.mp4",
        "content_sha256": hashlib.sha256(kept.tobytes()).hexdigest(),
        "rotation_degrees": 0,
        "duration_seconds": _SECONDS,
        "average_fps": 25.0,
        "frame_seconds": [float(second) for second in range(_NUM_FRAMES)],
        "video_descriptor": pool_video(kept).tolist(),
        "frame_descriptors": kept.tobytes(),
        **facts,
        **sizes,
    }


@cache
def invert_head() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean that the shipped head subtracts, and the pseudoinverse of its projection."""
    describe_config = _CONFIG.describe
    head = find_model("auto", describe_config.backbone, describe_config.descriptor_id).load()
    if not isinstance(head, LinearHead):
        raise TypeError(f"the shipped head is a {type(head).__name__}, not a LinearHead; adapt describe_one to it")
    return head.mean, np.linalg.pinv(head.projection)


def run_one(folder: Path, listed: Sequence[Video], night: date, num_videos: int) -> Night:
    """Write the manifest of a night and run the job on it."""
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("video_id", "uri", "title", "is_removed"))
        rows.writerows((v.video_id, f"/videos/{v.video_id}.mp4", v.title, str(v.is_removed).lower()) for v in listed)
    started = time.monotonic()
    run_nightly(str(manifest), str(folder / "lake"), _CONFIG, night)
    seconds = time.monotonic() - started
    lake = folder / "lake"
    clusters = DeltaTable(str(lake / "clusters")).to_pyarrow_table(columns=["cluster_id"])
    num_pairs = DeltaTable(str(lake / "pairs")).to_pyarrow_table(columns=["left_id"]).num_rows
    return Night(num_videos, seconds, num_pairs, len(clusters.column("cluster_id").unique()))


def measure_tables(lake: Path) -> dict[str, tuple[int, int, int]]:
    """Return for each table its version, the number of its files on disk, and their bytes."""
    sizes = {}
    for log in sorted(lake.glob("*/_delta_log")):
        files = list(log.parent.rglob("*.parquet"))
        sizes[log.parent.name] = (
            DeltaTable(str(log.parent)).version(),
            len(files),
            sum(file.stat().st_size for file in files),
        )
    return sizes


def report(
    nights: Sequence[Night],
    before: dict[str, tuple[int, int, int]],
    after: dict[str, tuple[int, int, int]],
    seconds: float,
) -> None:
    """Print the nights, then the tables before and after maintenance."""
    first = nights[0].seconds
    rows = [
        (
            str(number),
            str(night.num_videos),
            f"{night.seconds:.1f}",
            f"{night.seconds / first:.2f}",
            str(night.num_pairs),
            str(night.num_clusters),
        )
        for number, night in enumerate(nights, start=1)
    ]
    print_table("nights", ("night", "videos", "seconds", "/ first", "pairs", "clusters"), rows)
    tables = [
        (
            name,
            str(before[name][0]),
            str(before[name][1]),
            str(after[name][1]),
            f"{before[name][2] / 1e6:.1f}",
            f"{after[name][2] / 1e6:.1f}",
        )
        for name in before
    ]
    headings = ("table", "versions", "files before", "after", "MB before", "after")
    print_table(f"tables, before and after maintenance ({seconds:.0f} s)", headings, tables)


if __name__ == "__main__":
    main()

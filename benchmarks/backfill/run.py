"""Checks nightly runs beside backfills on one lake: no row is lost or double, and no video is described twice."""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from deltalake import DeltaTable

from benchmarks.measure import REPOSITORY, print_table
from jobs.pipeline import TABLES
from tests.support.videos import CATALOGUE, make_video

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPARED = ("manifest", "descriptors", "quarantine", "embeddings", "pairs", "clusters", "duplicates")
RUN_COLUMNS = {"run_id", "described_at", "cluster_id", "last_tried_at", "next_retry_at"}
CONFIG = """
describe: {backbone: tiny, videos_per_commit: 2, videos_per_task: 1}
embeddings: {method: averaged}
pairs: {min_cosine_similarity: 0.93}
"""
_VIDEOS_PER_NIGHT = 8
_BUDGET = 4


@dataclass(frozen=True)
class Video:
    """A row of a manifest. In each night two videos are copies of each other, and one is broken."""

    video_id: str
    uri: str
    published_at: str


def main() -> None:
    """Run the rounds and print the result; exit with 1 if a row is lost, double or different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=10, help="number of nightly runs, each with a simultaneous backfill"
    )
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        (folder / "config.yaml").write_text(CONFIG)
        nights = make_videos(folder, rounds)
        past = write_manifest(folder / "past.csv", [video for night in nights for video in night])
        rows = []
        for number, night in enumerate(nights):
            manifest = write_manifest(folder / f"night-{number}.csv", night)
            rows.append((str(number + 1), *run_round(folder, manifest, past)))
        run_job(folder, "lake", "backfill", past).wait()
        last = finish(run_job(folder, "lake", "nightly", past))
        finish(run_job(folder, "whole", "nightly", past))
        headings = ("round", "night s", "backfill s", "tried by night", "by backfill", "conflicts", "tried twice")
        print_table(
            f"{rounds} nightly runs, each with a simultaneous backfill; the last run took {last:.0f} s", headings, rows
        )
        problems = find_problems(folder, sum(map(len, nights)))
    print(
        "\n".join(problems) or "no row is lost or double, no video was tried twice; the tables equal those of one run"
    )
    sys.exit(1 if problems else 0)


def make_videos(folder: Path, rounds: int) -> list[list[Video]]:
    """Make the videos of each night. Later nights have older videos, so that backfills reach them at the same time."""
    clips = folder / "clips"
    clips.mkdir()
    webm = next(recipe for recipe in CATALOGUE if recipe.name == "libvpx-vp9.webm")
    nights = []
    for night in range(rounds):
        month = f"{2024 - night // 12}-{12 - night % 12:02}-15"
        names = [f"{night}-{number}.mp4" for number in range(_VIDEOS_PER_NIGHT - 2)]
        for number, name in enumerate(names):
            make_video(clips / name, seconds=1.0, seed=100 * night + number)
        make_video(clips / f"{night}-copy.webm", seconds=1.0, seed=100 * night, recipe=webm)
        (clips / f"{night}-broken.mp4").write_text("not a video\n")
        names += [f"{night}-copy.webm", f"{night}-broken.mp4"]
        nights.append([Video(name, f"clips/{name}", month) for name in names])
    return nights


def write_manifest(path: Path, videos: Sequence[Video]) -> Path:
    """Write rows as CSV and return the path."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("video_id", "uri", "published_at"))
        writer.writerows((video.video_id, video.uri, video.published_at) for video in videos)
    return path


def run_job(folder: Path, lake: str, job: str, manifest: Path, *options: str) -> subprocess.Popen[str]:
    """Start a job as a process."""
    command = [sys.executable, "-m", "jobs.cli", job, "--manifest", str(manifest), "--lake", str(folder / lake)]
    command += ["--config", str(folder / "config.yaml"), *options]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)


def finish(job: subprocess.Popen[str]) -> float:
    """Wait for a job, and return the seconds from now to its end.

    Raises:
        RuntimeError: the job failed.
    """
    started = time.monotonic()
    _, output = job.communicate()
    if job.returncode:
        raise RuntimeError(f"{job.args} ended with exit status {job.returncode}: {output}")
    return time.monotonic() - started


def run_round(folder: Path, manifest: Path, past: Path) -> tuple[str, ...]:
    """Run a night and a backfill at the same time, and return the counts of the round as a table row."""
    known = set((folder / "lake").glob("_logs/*.jsonl"))
    night = run_job(folder, "lake", "nightly", manifest)
    backfill = run_job(folder, "lake", "backfill", past, "--max-videos", str(_BUDGET))
    seconds = finish(night)
    rest = finish(backfill)
    logs = "".join(log.read_text() for log in set((folder / "lake").glob("_logs/*.jsonl")) - known)
    runs = DeltaTable(str(folder / "lake" / "runs")).to_pyarrow_table().to_pylist()
    jobs = {row["run_id"]: row["stage"] for row in runs if row["stage"] in ("run", "backfill")}
    newest = {job: max(run_id for run_id, stage in jobs.items() if stage == job) for job in ("run", "backfill")}
    tried = {
        job: sum(row["num_rows"] for row in runs if row["run_id"] == run_id and row["stage"] == "attempts")
        for job, run_id in newest.items()
    }
    twice = sum(count - 1 for count in count_tries(folder / "lake").values())
    conflicts = logs.count("commit conflict")
    return (
        f"{seconds:.0f}", f"{seconds + rest:.0f}", str(tried["run"]), str(tried["backfill"]), str(conflicts), str(twice)
    )  # fmt: skip


def count_tries(lake: Path) -> Counter[str]:
    """Count the attempts of each video, from all versions of `descriptors` and `quarantine`."""
    tries: set[tuple[str, str]] = set()
    for name in ("descriptors", "quarantine"):
        for version in range(DeltaTable(str(lake / name)).version() + 1):
            stored = DeltaTable(str(lake / name), version=version).to_pyarrow_table(columns=["video_id", "run_id"])
            tries |= {(row["video_id"], row["run_id"]) for row in stored.to_pylist()}
    return Counter(video_id for video_id, _ in tries)


def find_problems(folder: Path, num_videos: int) -> list[str]:
    """List lost rows, double rows, videos tried twice, and differences from the lake of a single run."""
    problems = []
    for table in TABLES:
        if (folder / "lake" / table.name).is_dir():
            rows = DeltaTable(str(folder / "lake" / table.name)).to_pyarrow_table(columns=list(table.key)).to_pylist()
            double = [key for key, count in Counter(tuple(row.values()) for row in rows).items() if count > 1]
            problems += [f"{table.name}: double rows {double}"] if double else []
    tries = count_tries(folder / "lake")
    if len(tries) != num_videos:
        problems.append(f"{len(tries)} videos were tried, not {num_videos}")
    problems += [f"{video_id} was tried {count} times" for video_id, count in tries.items() if count > 1]
    for name in COMPARED:
        if read_rows(folder / "lake", name) != read_rows(folder / "whole", name):
            problems.append(f"{name} differs from that of a single run")
    return problems


def read_rows(lake: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table without the columns that depend on the run."""
    rows = DeltaTable(str(lake / table)).to_pyarrow_table().to_pylist()
    return sorted(({k: row[k] for k in sorted(row.keys() - RUN_COLUMNS)} for row in rows), key=str)


if __name__ == "__main__":
    main()

"""Measures nights without new videos, and one with a few: seconds, Spark jobs and Delta commits by phase.

The limit is measured in the same run: a process that starts a session and reads one table of the same lake.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import Cost, measure_process, print_table, run_nightly
from tests.support.videos import make_video

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Event

_NUM_VIDEOS, _NUM_NEW = 20, 4
# Event of the log -> the phase that ends with it.
_PHASE_BEFORE = {
    "run started": "Python starts and imports",
    "spark started": "the JVM and the session start",
    "manifest checked": "the manifest is read and checked",
    "tables opened": "the tables are opened",
    "stage done manifest": "manifest: files checked, merged with the table",
    "stage done attempts": "attempts: videos described",
    "stage done thumbnails": "thumbnails",
    "stage done descriptors": "descriptors",
    "stage done quarantine": "quarantine",
    "stage done embeddings": "embeddings",
    "stage done pairs": "pairs",
    "stage done clusters": "clusters",
    "stage done cluster_events": "cluster_events",
    "stage done duplicates": "duplicates",
    "audited": "due videos selected, audits",
    "index published": "tables and index published",
    "run recorded": "a row is added to runs",
    "run done": "the last lines are read",
    "ended": "the summary is written, the process ends",
}
_PHASES = tuple(_PHASE_BEFORE.values())
_READ_ONE = """
import sys
from jobs.lake.session import start_session
lake = sys.argv[1]
start_session("limit", lake).read.format("delta").load(f"{lake}/manifest").count()
"""


@dataclass
class Phase:
    """What happened in a phase of a run."""

    seconds: float = 0.0
    num_jobs: int = 0
    num_commits: int = 0


@dataclass
class Night:
    """A measured run."""

    cost: Cost
    phases: dict[str, Phase] = field(default_factory=lambda: {name: Phase() for name in _PHASES})


def main() -> None:
    """Measure the runs and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; 24 generated ones by default")
    parser.add_argument("--nights", type=int, default=3, help="number of runs without new videos")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clips = arguments.clips.absolute() if arguments.clips else make_clips(folder)
        files = sorted(clips.iterdir())
        run_one(folder, clips, files[:-_NUM_NEW])
        small = run_one(folder, clips, files)
        run_one(folder, clips, files)  # the first run without new videos finds that none is due
        nights = [run_one(folder, clips, files) for _ in range(arguments.nights)]
        limits = [measure_limit(folder / "lake") for _ in range(arguments.nights)]
    report("runs without new videos", nights, limits)
    report(f"a run with {_NUM_NEW} new videos", [small], limits)


def measure_limit(lake: Path) -> Cost:
    """Return what a process costs that starts a session and counts the rows of a table."""
    return measure_process([sys.executable, "-c", _READ_ONE, str(lake)])


def run_one(folder: Path, clips: Path, listed: Sequence[Path]) -> Night:
    """Run the nightly job with a manifest of some clips."""
    manifest, config = write_inputs(folder, clips, listed)
    conf = folder / "conf"
    events_folder = folder / f"events-{len(list(folder.glob('events-*')))}"
    for made in (conf, events_folder):
        made.mkdir(exist_ok=True)
    properties = {"enabled": "true", "dir": events_folder.as_uri(), "compress": "false", "rolling.enabled": "false"}
    text = "".join(f"spark.eventLog.{name} {value}\n" for name, value in properties.items())
    (conf / "spark-defaults.conf").write_text(text)
    before = set(folder.glob("lake/*/_delta_log/*.json"))
    events = run_nightly(manifest, folder / "lake", config, environment={"SPARK_CONF_DIR": str(conf)})
    commits = [file.stat().st_mtime for file in folder.glob("lake/*/_delta_log/*.json") if file not in before]
    (job_log,) = events_folder.iterdir()
    return split(events, read_job_starts(job_log), commits)


def read_job_starts(job_log: Path) -> list[float]:
    """Return when each Spark job started, in seconds since 1970, from Spark's log of events."""
    with job_log.open() as lines:
        parsed: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [event["Submission Time"] / 1000 for event in parsed if event["Event"] == "SparkListenerJobStart"]


def split(events: Sequence[Event], jobs: Sequence[float], commits: Sequence[float]) -> Night:
    """Attribute seconds, jobs and commits to phases. A phase without an event counts with the next one."""
    # The CPU time of the JVM is known until its process ends.
    night = Night(Cost(events[-1].at.seconds, events[-2].at.cpu_seconds))
    ends: list[float] = []
    names: list[str] = []
    last = 0.0
    for event in events:
        message = " ".join(str(event.fields[key]) for key in ("message", "stage") if key in event.fields)
        if message not in _PHASE_BEFORE:
            continue
        names.append(_PHASE_BEFORE[message])
        at = event.fields.get("at")
        ends.append(datetime.fromisoformat(str(at)).timestamp() if at else float("inf"))
        night.phases[names[-1]].seconds += event.at.seconds - last
        last = event.at.seconds
    for job in jobs:
        night.phases[names[bisect.bisect_left(ends, job)]].num_jobs += 1
    for commit in commits:
        night.phases[names[bisect.bisect_left(ends, commit)]].num_commits += 1
    return night


def make_clips(folder: Path) -> Path:
    """Make small videos."""
    clips = folder / "clips"
    clips.mkdir()
    for number in range(_NUM_VIDEOS + _NUM_NEW):
        make_video(clips / f"{number:02}.mp4", seed=number)
    return clips


def write_inputs(folder: Path, clips: Path, listed: Sequence[Path] | None = None) -> tuple[Path, Path]:
    """Write a manifest of the listed clips, by default all, and a config with their folder as a root."""
    manifest, config = folder / "manifest.csv", folder / "config.yaml"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("video_id", "uri"), *((clip.name, str(clip)) for clip in listed or sorted(clips.iterdir()))]
        )
    config.write_text(f"manifest:\n  roots: ['{clips}']\n")
    return manifest, config


def report(title: str, nights: Sequence[Night], limits: Sequence[Cost]) -> None:
    """Print the median of each phase and of the whole run, compared with the limit."""
    limit = statistics.median(cost.seconds for cost in limits)
    rows = []
    for name in _PHASES:
        phases = [night.phases[name] for night in nights]
        seconds = statistics.median(phase.seconds for phase in phases)
        counts = [
            statistics.median(counted) for counted in zip(*((p.num_jobs, p.num_commits) for p in phases), strict=True)
        ]
        if seconds or any(counts):
            rows.append((name, f"{seconds:.1f}", f"{seconds / limit:.2f}", *(f"{count:.0f}" for count in counts)))
    whole = statistics.median(night.cost.seconds for night in nights)
    sums = [str(sum(int(row[column]) for row in rows)) for column in (3, 4)]
    rows.append(("the whole run", f"{whole:.1f}", f"{whole / limit:.2f}", *sums))
    print_table(f"{title}: {len(nights)}", ("phase", "median s", "/ limit", "Spark jobs", "commits"), rows)
    cpu = statistics.median(night.cost.cpu_seconds for night in nights)
    print(f"limit, a session that reads one table: {limit:.1f} s; the run took {cpu:.1f} s of CPU time")


if __name__ == "__main__":
    main()

"""Measures a nightly run without new videos, as a whole process and by phase."""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table, run_nightly
from tests.support.videos import make_video

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Event

LIMIT_SECONDS = 45.0
_NUM_VIDEOS = 20
# Event of the log -> the phase that ends with it.
_PHASE_BEFORE = {
    "run started": "Python starts and imports",
    "spark started": "the JVM starts",
    "manifest checked": "the manifest is read and checked",
    "tables opened": "the tables of the lake are opened",
    "stage done manifest": "manifest: merged with the table; nothing differs",
    "stage done attempts": "attempts: due videos are selected; there are none",
    "run recorded": "the other stages are up to date; a row is added to runs",
    "ended": "the summary is written, and the JVM ends",
}


def main() -> None:
    """Measure the runs and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; 20 generated ones by default")
    parser.add_argument("--nights", type=int, default=3, help="number of runs without new videos")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clips = arguments.clips.absolute() if arguments.clips else make_clips(folder)
        manifest, config = write_inputs(folder, clips)
        first = run_nightly(manifest, folder / "lake", config)
        nights = [run_nightly(manifest, folder / "lake", config) for _ in range(arguments.nights)]
    report(first, nights)


def make_clips(folder: Path) -> Path:
    """Make small videos."""
    clips = folder / "clips"
    clips.mkdir()
    for number in range(_NUM_VIDEOS):
        make_video(clips / f"{number}.mp4", seed=number)
    return clips


def write_inputs(folder: Path, clips: Path) -> tuple[Path, Path]:
    """Write a manifest of the clips, and a config with their folder as a root."""
    manifest, config = folder / "manifest.csv", folder / "config.yaml"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("video_id", "uri"), *((clip.name, str(clip)) for clip in sorted(clips.iterdir()))])
    config.write_text(f"manifest:\n  roots: ['{clips}']\n")
    return manifest, config


def report(first: Sequence[Event], nights: Sequence[Sequence[Event]]) -> None:
    """Print the shortest and the median time of each phase and of the whole run, compared with the limit."""
    phases = [_measure_phases(night) for night in nights]
    rows = []
    for name in _PHASE_BEFORE.values():
        seconds = [found[name] for found in phases]
        shortest, median = min(seconds), statistics.median(seconds)
        rows.append((name, f"{shortest:.1f}", f"{median:.1f}", f"{median / LIMIT_SECONDS:.2f}"))
    whole = [night[-1].at.seconds for night in nights]
    median = statistics.median(whole)
    rows.append(("the whole run", f"{min(whole):.1f}", f"{median:.1f}", f"{median / LIMIT_SECONDS:.2f}"))
    cpu_seconds = statistics.median(night[-2].at.cpu_seconds for night in nights)
    print_table(f"{len(nights)} runs without new videos", ("phase", "minimum s", "median s", "/ 45 s"), rows)
    print(
        f"the first run took {first[-1].at.seconds:.1f} s; one without new videos took {cpu_seconds:.1f} s of CPU time"
    )


def _measure_phases(night: Sequence[Event]) -> dict[str, float]:
    """Return the seconds of each phase. A phase without an event counts with the next one."""
    found = dict.fromkeys(_PHASE_BEFORE.values(), 0.0)
    last = 0.0
    for event in night:
        message = " ".join(str(event.fields[key]) for key in ("message", "stage") if key in event.fields)
        if message in _PHASE_BEFORE:
            found[_PHASE_BEFORE[message]] += event.at.seconds - last
            last = event.at.seconds
    return found


if __name__ == "__main__":
    main()

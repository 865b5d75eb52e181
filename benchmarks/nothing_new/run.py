"""How long a night takes in which nothing is new, as a whole process, and where the time goes."""

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
# The span that ends with a line of the log.
_SPAN_BEFORE = {
    "run started": "Python starts and imports",
    "spark started": "the JVM starts",
    "manifest checked": "the operator's manifest is read and checked",
    "tables opened": "the lake's tables are opened",
    "stage done manifest": "manifest: merged with the table, nothing differs",
    "stage done attempts": "attempts: what is due is looked for, nothing is",
    "run recorded": "the other stages are found current, and runs is appended",
    "ended": "summary, the JVM ends",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; 20 generated ones by default")
    parser.add_argument("--nights", type=int, default=3, help="how often the night is repeated")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clips = arguments.clips.absolute() if arguments.clips else make_clips(folder)
        manifest, config = write_inputs(folder, clips)
        first = run_nightly(manifest, folder / "lake", config)
        nights = [run_nightly(manifest, folder / "lake", config) for _ in range(arguments.nights)]
    report(first, nights)


def make_clips(folder: Path) -> Path:
    """Make tiny videos."""
    clips = folder / "clips"
    clips.mkdir()
    for number in range(_NUM_VIDEOS):
        make_video(clips / f"{number}.mp4", seed=number)
    return clips


def write_inputs(folder: Path, clips: Path) -> tuple[Path, Path]:
    """Write a manifest of the clips, and a config that lets them be read."""
    manifest, config = folder / "manifest.csv", folder / "config.yaml"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("video_id", "uri"), *((clip.name, str(clip)) for clip in sorted(clips.iterdir()))])
    config.write_text(f"manifest:\n  roots: ['{clips}']\n")
    return manifest, config


def report(first: Sequence[Event], nights: Sequence[Sequence[Event]]) -> None:
    """Print each span of the nights, the shortest and the median, and the whole against its limit."""
    spans = [_spans(night) for night in nights]
    rows = []
    for name in _SPAN_BEFORE.values():
        seconds = [found[name] for found in spans]
        shortest, median = min(seconds), statistics.median(seconds)
        rows.append((name, f"{shortest:.1f}", f"{median:.1f}", f"{median / LIMIT_SECONDS:.2f}"))
    whole = [night[-1].at.seconds for night in nights]
    median = statistics.median(whole)
    rows.append(("the whole night", f"{min(whole):.1f}", f"{median:.1f}", f"{median / LIMIT_SECONDS:.2f}"))
    cpu_seconds = statistics.median(night[-2].at.cpu_seconds for night in nights)
    print_table(f"{len(nights)} nights with nothing new", ("", "least s", "median s", "/ 45 s"), rows)
    print(f"the first night took {first[-1].at.seconds:.1f} s; one with nothing new {cpu_seconds:.1f} s of processors")


def _spans(night: Sequence[Event]) -> dict[str, float]:
    """Tell how long each span took; one of which the log has no line counts with the next."""
    found = dict.fromkeys(_SPAN_BEFORE.values(), 0.0)
    last = 0.0
    for event in night:
        message = " ".join(str(event.fields[key]) for key in ("message", "stage") if key in event.fields)
        if message in _SPAN_BEFORE:
            found[_SPAN_BEFORE[message]] += event.at.seconds - last
            last = event.at.seconds
    return found


if __name__ == "__main__":
    main()

"""Checks that runs that add a catalogue in random portions, in random order, produce the tables of a single run."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table
from benchmarks.nothing_new.run import make_clips
from benchmarks.recovery.run import read_tables
from jobs.config.settings import Config
from jobs.engine.night import run_nightly

_FIRST_NIGHT = date(2024, 5, 1)
_MAX_NIGHTS = 5


def main() -> None:
    """Run the splits, and print the tables that differ in each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; 20 generated ones by default")
    parser.add_argument("--splits", type=int, default=20, help="number of random splits")
    parser.add_argument("--seed", type=int, default=0, help="seed of the splits")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clips = sorted((arguments.clips.resolve() if arguments.clips else make_clips(folder)).iterdir())
        expected = read_tables(run_nights([clips], folder / "whole"))
        rows = []
        for number in range(arguments.splits):
            started = time.monotonic()
            portions = split(clips, rng)
            found = read_tables(run_nights(portions, folder / f"split-{number}"))
            differing = [name for name in expected if found[name] != expected[name]]
            sizes = " + ".join(str(len(portion)) for portion in portions)
            rows.append((str(number), sizes, ", ".join(differing) or "none", f"{time.monotonic() - started:.0f}"))
            print(" | ".join(rows[-1]), flush=True)
    print_table(f"{len(clips)} videos in portions", ("split", "videos per run", "tables that differ", "s"), rows)
    print(f"{sum(row[2] == 'none' for row in rows)} of {len(rows)} splits have the same tables as a single run")


def split(clips: list[Path], rng: random.Random) -> list[list[Path]]:
    """Shuffle the clips, and split them into two to `_MAX_NIGHTS` portions."""
    shuffled = rng.sample(clips, len(clips))
    cuts = sorted(rng.sample(range(1, len(clips)), rng.randint(2, _MAX_NIGHTS) - 1))
    return [shuffled[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(clips)], strict=True)]


def run_nights(portions: list[list[Path]], lake: Path) -> Path:
    """Run a night for each portion, with default settings, and return the lake."""
    for number, portion in enumerate(portions):
        manifest = lake.with_name(f"{lake.name}-{number}.csv")
        lines = ["video_id,uri", *(f"{clip.name},{clip}" for clip in portion)]
        manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
        config = Config.model_validate({"manifest": {"roots": (str(portion[0].parent),)}})
        run_nightly(str(manifest), str(lake), config, _FIRST_NIGHT + timedelta(days=number))
    return lake


if __name__ == "__main__":
    main()

"""Whether nights that bring a catalogue in random portions, in random order, leave the tables of one night over all."""

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
    """Run the splits, and print which of them agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; 20 generated ones by default")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clips = sorted((arguments.clips.resolve() if arguments.clips else make_clips(folder)).iterdir())
        expected = read_tables(run_nights([clips], folder / "whole"))
        rows = []
        for number in range(arguments.splits):
            started = time.monotonic()
            portions = split(clips, chance)
            found = read_tables(run_nights(portions, folder / f"split-{number}"))
            differing = [name for name in expected if found[name] != expected[name]]
            sizes = " + ".join(str(len(portion)) for portion in portions)
            rows.append((str(number), sizes, ", ".join(differing) or "none", f"{time.monotonic() - started:.0f}"))
            print(" | ".join(rows[-1]), flush=True)
    print_table(f"{len(clips)} videos in portions", ("split", "videos a night", "tables that differ", "s"), rows)
    print(f"{sum(row[2] == 'none' for row in rows)} of {len(rows)} splits left the tables of one night")


def split(clips: list[Path], chance: random.Random) -> list[list[Path]]:
    """Shuffle, and cut into two nights or more."""
    shuffled = chance.sample(clips, len(clips))
    cuts = sorted(chance.sample(range(1, len(clips)), chance.randint(2, _MAX_NIGHTS) - 1))
    return [shuffled[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(clips)], strict=True)]


def run_nights(portions: list[list[Path]], lake: Path) -> Path:
    """Run a night for each portion, by the default settings, and return the lake."""
    for number, portion in enumerate(portions):
        manifest = lake.with_name(f"{lake.name}-{number}.csv")
        lines = ["video_id,uri", *(f"{clip.name},{clip}" for clip in portion)]
        manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
        config = Config.model_validate({"manifest": {"roots": (str(portion[0].parent),)}})
        run_nightly(str(manifest), str(lake), config, _FIRST_NIGHT + timedelta(days=number))
    return lake


if __name__ == "__main__":
    main()

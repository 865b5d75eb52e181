"""The truth of a catalogue: which video shows which stretch of which original, and which videos share footage."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Planted:
    """One row of the truth: a stretch of an original that a video shows, or why it shows none.

    Attributes:
        video_id: the video.
        duplicate_of: the original that it shows; "" for an original (which shows itself) and a faulty entry.
        relation: original, copy, contained, overlap (see `udfs.verifying.relation.name_relation`), broken or missing.
        edit: name of the edit, "found" for a copy that was published unchanged, else "".
        source_start_seconds: start of the stretch in the original.
        source_end_seconds: end of the stretch in the original.
        target_start_seconds: start of the stretch in the video.
        target_end_seconds: end of the stretch in the video.
        note: remark for readers.
    """

    video_id: str
    duplicate_of: str
    relation: str
    edit: str = ""
    source_start_seconds: float = 0.0
    source_end_seconds: float = 0.0
    target_start_seconds: float = 0.0
    target_end_seconds: float = 0.0
    note: str = ""


def measure_shared_footage(planted: Iterable[Planted]) -> dict[tuple[str, str], float]:
    """Return, for each pair (left_id < right_id) that shares footage, the shared seconds of originals.

    Two videos share footage if they show stretches of one original that overlap in the original's time. Pairs
    outside the result share nothing.
    """
    stretches: dict[str, list[Planted]] = defaultdict(list)
    for line in planted:
        stretches[line.duplicate_of or line.video_id].append(line)
    shared: dict[tuple[str, str], float] = defaultdict(float)
    for lines in stretches.values():
        for one, other in combinations(lines, 2):
            seconds = min(one.source_end_seconds, other.source_end_seconds) - max(
                one.source_start_seconds, other.source_start_seconds
            )
            if seconds > 0 and one.video_id != other.video_id:
                left_id, right_id = sorted((one.video_id, other.video_id))
                shared[left_id, right_id] += seconds
    return dict(shared)


def write_planted(planted: Iterable[Planted], path: Path) -> None:
    """Write the truth as CSV with a header, one row per line, in the given order."""
    with path.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, [column.name for column in fields(Planted)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(line) for line in planted)


def read_planted(path: Path) -> tuple[Planted, ...]:
    """Read a file of `write_planted`."""
    with path.open(newline="", encoding="utf-8") as opened:
        return tuple(_parse(row) for row in csv.DictReader(opened))


def _parse(row: dict[str, str]) -> Planted:
    seconds = {name: float(value) for name, value in row.items() if name.endswith("_seconds")}
    texts = {name: value for name, value in row.items() if not name.endswith("_seconds")}
    return Planted(**texts, **seconds)  # type: ignore[arg-type]  # mypy cannot pair names with types here

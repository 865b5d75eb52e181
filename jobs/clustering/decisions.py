"""Decisions about videos: reads them, selects those in force, and finds contradictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pyspark.sql import functions as F

from jobs.errors import UsageError
from udfs.reading.csv_records import read_csv_records
from udfs.reading.json_lines import read_json_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pyspark.sql import Column, DataFrame

VERDICTS = ("duplicate", "not_duplicate", "part", "keep_this")
APART = ("not_duplicate", "part")
"""Verdicts that keep two videos out of one cluster. `part`: they share footage, but neither is a copy of the other."""
_COLUMNS = ("left_id", "right_id", "verdict", "note")
_MAX_FAULTS_SHOWN = 10


class Decision(NamedTuple):
    """A decision of a person about one or two videos.

    Attributes:
        left_id: the smaller video_id.
        right_id: the larger video_id; equal to left_id for a decision about one video.
        verdict: one of VERDICTS.
        note: reason, or None.
    """

    left_id: str
    right_id: str
    verdict: str
    note: str | None = None

    @property
    def subject(self) -> tuple[str, str]:
        """The videos that the decision is about."""
        return self.left_id, self.right_id

    def __str__(self) -> str:
        """Return the decision in the form of command-line arguments."""
        return " ".join([*dict.fromkeys(self.subject), self.verdict])


def make_decision(video_ids: Sequence[str], verdict: str, note: str | None = None) -> Decision:
    """Make a decision about one or two videos, in either order.

    Raises:
        ValueError: the verdict is unknown, or applies to another number of videos.
    """
    if verdict not in VERDICTS:
        raise ValueError(f"the verdict must be one of {', '.join(VERDICTS)}, got {verdict!r}")
    num_needed = 1 if verdict == "keep_this" else 2
    if len(set(video_ids)) != num_needed or len(video_ids) != num_needed or not all(video_ids):
        needed = "one video" if num_needed == 1 else "two videos"
        raise ValueError(f"{verdict} needs {needed}, got {' '.join(video_ids) or 'none'}")
    return Decision(min(video_ids), max(video_ids), verdict, note or None)


def read_decisions(path: Path) -> list[Decision]:
    """Read decisions from CSV (with a header) or JSON lines: left_id, right_id, verdict, and optionally note.

    right_id is empty or missing for keep_this.

    Raises:
        UsageError: the file does not exist, its format is unknown, or rows are invalid; the message lists the first
            ten.
    """
    if not path.is_file():
        raise UsageError(f"file of decisions {str(path)!r} does not exist")
    decisions: list[Decision] = []
    faults: list[str] = []
    first_lines: dict[tuple[str, str], int] = {}
    for line, row, fault in read_rows(path):
        try:
            decision = _read_row(row, fault)
        except ValueError as error:
            faults.append(f"  line {line}: {error}")
            continue
        if (first := first_lines.setdefault(decision.subject, line)) != line:
            faults.append(
                f"  line {line}: {' and '.join(dict.fromkeys(decision.subject))}: already decided in line {first}"
            )
        decisions.append(decision)
    if faults:
        raise UsageError(f"{str(path)!r}: nothing was written\n" + "\n".join(shorten(faults)))
    return decisions


def read_rows(path: Path) -> Iterator[tuple[int, Any, str | None]]:
    """Yield the line, content and fault of each row."""
    if path.suffix not in {".csv", ".json", ".jsonl", ".ndjson"}:
        raise UsageError(f"{str(path)!r} has an unknown format; its name must end in .csv, .json, .jsonl or .ndjson")
    lines = path.read_bytes().split(b"\n")
    if path.suffix != ".csv":
        yield from read_json_lines(lines)
        return
    records = read_csv_records(lines)
    header = next(records, None)
    if header is None:
        return
    names = header.cells
    if header.fault or len(set(names)) < len(names):
        yield header.line, None, header.fault or f"a column occurs twice in the header {','.join(names)!r:.100}"
        return
    for record in records:
        yield record.line, None if record.fault else dict(zip(names, record.cells, strict=True)), record.fault


def _read_row(row: Any, fault: str | None) -> Decision:  # noqa: ANN401 -- a line of JSON may hold anything
    """Make a decision from a row.

    Raises:
        ValueError: the row has a fault, has other columns or is not a valid decision.
    """
    if fault is not None:
        raise ValueError(fault)
    if not isinstance(row, dict) or not set(row) <= set(_COLUMNS):
        raise ValueError(f"a row must have left_id, right_id, verdict and optionally note, got {row!r:.100}")
    if not all(isinstance(value, str | None) for value in row.values()):
        raise ValueError(f"every value must be text, got {row!r:.100}")
    ids = [row[name] for name in ("left_id", "right_id") if row.get(name)]
    return make_decision(ids, row.get("verdict") or "", row.get("note"))


def shorten(faults: Sequence[str]) -> list[str]:
    """Return the first ten faults, and a line with the number of the others."""
    rest = len(faults) - _MAX_FAULTS_SHOWN
    return [*faults[:_MAX_FAULTS_SHOWN], *([f"  and {rest} more"] if rest > 0 else [])]


def newest_decisions(decisions: DataFrame) -> DataFrame:
    """Select the newest row about each pair or video, also if it is a withdrawal. Runs on: driver."""
    newest = decisions.groupBy("left_id", "right_id").agg(F.max_by(F.struct("*"), "decided_at").alias("newest"))
    return newest.select("newest.*")


def decisions_in_force(decisions: DataFrame) -> DataFrame:
    """Select the newest row about each pair or video, without withdrawals. Runs on: driver."""
    return newest_decisions(decisions).where("NOT is_withdrawn")


def is_apart() -> Column:
    """Return the condition that a decision keeps its two videos out of one cluster. Runs on: driver."""
    return F.col("verdict").isin(*APART)


def select_about(decisions: DataFrame, videos: DataFrame) -> DataFrame:
    """Select the decisions whose videos are all among `videos` (video_id). Runs on: driver."""
    for end in ("left_id", "right_id"):
        decisions = decisions.join(videos.select(F.col("video_id").alias(end)), end, "left_semi")
    return decisions


def find_contradictions(decisions: Iterable[Decision]) -> list[Decision]:
    """Find the decisions that keep videos apart which duplicate decisions connect, sorted."""
    parents: dict[str, str] = {}

    def find(video_id: str) -> str:
        while (parent := parents.get(video_id, video_id)) != video_id:
            parents[video_id] = parents.get(parent, parent)
            video_id = parent
        return video_id

    rows = list(decisions)
    for row in rows:
        if row.verdict == "duplicate":
            parents[find(row.left_id)] = find(row.right_id)
    found = [row for row in rows if row.verdict in APART and find(row.left_id) == find(row.right_id)]
    return sorted(found, key=lambda row: row.subject)

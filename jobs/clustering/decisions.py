"""Decisions about videos: reads them, selects those in force, and finds contradictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F

from jobs.clustering.verdict_files import RowRules, read_verdicts
from jobs.contracts.decisions_in_force import write_newest_decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pyspark.sql import Column, DataFrame

VERDICTS = ("duplicate", "not_duplicate", "part", "keep_this")
APART = ("not_duplicate", "part")
"""Verdicts that keep two videos out of one cluster. `part`: they share footage, but neither is a copy of the other."""
_RULES = RowRules(("left_id", "right_id", "verdict", "note"))


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
        UsageError: see `read_verdicts`.
    """
    return read_verdicts(path, "decisions", _RULES, _make_from_row)


def _make_from_row(row: Mapping[str, str | None]) -> Decision:
    """Make a decision from a row; ValueError if it is not valid."""
    ids = [video_id for name in ("left_id", "right_id") if (video_id := row.get(name))]
    return make_decision(ids, row.get("verdict") or "", row.get("note"))


def newest_decisions(decisions: DataFrame) -> DataFrame:
    """Select the newest row about each pair or video, also if it is a withdrawal. Runs on: driver."""
    newest = decisions.groupBy("left_id", "right_id").agg(F.expr(write_newest_decision("struct(*)")).alias("newest"))
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

"""What is true of a set of videos: which pairs share footage and where, and what each query must find."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.errors import ContractError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

RELATIONS = ("copy", "partial", "ignore")
SEGMENT_COLUMNS = ("left_start_seconds", "left_end_seconds", "right_start_seconds", "right_end_seconds")
_TEXT_COLUMNS = ("left_id", "right_id", "relation", "transform")
_REQUIRED_COLUMNS = ("left_id", "right_id", "relation")
_SWAPPED = {
    "left_id": "right_id",
    "right_id": "left_id",
    "left_start_seconds": "right_start_seconds",
    "left_end_seconds": "right_end_seconds",
    "right_start_seconds": "left_start_seconds",
    "right_end_seconds": "left_end_seconds",
}
_NUM_SHOWN = 3


@dataclass(frozen=True)
class Query:
    """What a query must find in one variant of a protocol. A video is what the first set that holds it says.

    Attributes:
        query_id: its video_id.
        positives: what it must find; the query itself is among them where the protocol ranks it, first.
        negatives: what it must not find.
        left_out: what is not ranked.
        is_closed: whether videos in none of these sets are left out too; else they are negatives.
    """

    query_id: str
    positives: frozenset[str]
    negatives: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    is_closed: bool = False

    def judge(self, video_id: str) -> bool | None:
        """Tell whether a video is a positive, or None where it is not ranked."""
        if video_id in self.positives:
            return True
        if video_id in self.negatives:
            return False
        return None if self.is_closed or video_id in self.left_out else False


@dataclass(frozen=True)
class Truth:
    """What is known of a set of videos.

    Attributes:
        pairs: columns left_id < right_id, relation, transform and `SEGMENT_COLUMNS` (NaN where unknown); a row is a
            segment of a pair. `copy` and `partial` pairs share footage; `ignore` counts neither for nor against; a
            pair that is not listed shares none. None where the set says nothing of pairs but those of queries.
        rankings: variant of the protocol -> its queries.
    """

    pairs: pd.DataFrame | None = None
    rankings: Mapping[str, tuple[Query, ...]] = field(default_factory=dict)

    def count_pairs(self) -> int:
        """Count the pairs that the truth speaks of: those listed, and those of a query with a positive."""
        listed = set() if self.pairs is None else set(zip(self.pairs["left_id"], self.pairs["right_id"], strict=True))
        asked = {
            (query.query_id, positive)
            for queries in self.rankings.values()
            for query in queries
            for positive in query.positives - {query.query_id}
        }
        return len(listed) + len(asked)

    def restrict_to(self, video_ids: Collection[str]) -> Truth:
        """Keep what concerns these videos alone; a query that has nothing left to find but itself is dropped."""
        known = frozenset(video_ids)
        pairs = self.pairs
        if pairs is not None:
            pairs = pairs[pairs["left_id"].isin(known) & pairs["right_id"].isin(known)].reset_index(drop=True)
        rankings = {
            variant: tuple(
                replace(query, positives=query.positives & known)
                for query in queries
                if query.query_id in known and (query.positives & known) - {query.query_id}
            )
            for variant, queries in self.rankings.items()
        }
        return Truth(pairs, rankings)


def load_truth(path: Path) -> Truth:
    """Read ndvr's own format: CSV or Parquet with the columns of `Truth.pairs`. Runs on: driver.

    `transform` and the segments may be empty or missing; of a pair in the other order the sides are swapped.

    Raises:
        UsageError: the file does not exist, or its name ends neither in .csv nor in .parquet.
        ContractError: it cannot be read, lacks a column, or has rows that break a rule; the message names the first.
    """
    rows = _read(path)
    missing = [name for name in _REQUIRED_COLUMNS if name not in rows.columns]
    if missing:
        raise ContractError(
            f"truth {str(path)!r} lacks the column(s) {', '.join(missing)}; it has {', '.join(rows.columns)}"
        )
    if rows.empty:
        raise ContractError(f"truth {str(path)!r} has no rows; give one with at least one pair")
    return Truth(order_pairs(_check(rows, path)))


def order_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Swap the sides of the rows whose left_id is the larger, their segments too."""
    is_swapped = (rows["left_id"] > rows["right_id"]).to_numpy()
    if not is_swapped.any():
        return rows
    columns = {
        name: np.where(is_swapped, rows[other], rows[name]) for name, other in _SWAPPED.items() if name in rows.columns
    }
    return rows.assign(**columns)


def _read(path: Path) -> pd.DataFrame:
    """Read the file as it is; cells of a CSV are text."""
    if not path.is_file():
        raise UsageError(f"truth {str(path)!r} does not exist; give --truth an existing file")
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet"}:
        raise UsageError(f"truth {str(path)!r} has no known format; give a name that ends in .csv or .parquet")
    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as error:  # pandas' and Arrow's own are ValueErrors
        raise ContractError(f"truth {str(path)!r} cannot be read as {suffix[1:]}: {error}") from error
    if not isinstance(rows.index, pd.RangeIndex):  # pandas then takes the first cells for names of rows
        raise ContractError(f"truth {str(path)!r} has rows with more cells than its header; quote cells with commas")
    return rows


def _check(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return text as text and seconds as numbers; raise ContractError for the first rule that rows break."""
    text = {name: rows[name].fillna("").astype(str) if name in rows else "" for name in _TEXT_COLUMNS}
    checked = pd.DataFrame(text, index=rows.index)
    _refuse(checked, (checked["left_id"] == "") | (checked["right_id"] == ""), path, "lack left_id or right_id")
    _refuse(checked, checked["left_id"] == checked["right_id"], path, "pair a video with itself; leave them out")
    is_known = checked["relation"].isin(RELATIONS)
    _refuse(checked, ~is_known, path, f"have a relation that is none of {', '.join(RELATIONS)}")
    for name in SEGMENT_COLUMNS:
        cells = rows[name] if name in rows else pd.Series(np.nan, index=rows.index)
        checked[name] = pd.to_numeric(cells, errors="coerce").astype(float)
        is_empty = cells.isna() | (cells.astype(str).str.strip() == "")
        is_bad = ~is_empty & ~np.isfinite(checked[name])
        _refuse(rows, is_bad, path, f"have a {name} that is no number; give seconds or nothing")
    given = checked[list(SEGMENT_COLUMNS)].notna()
    _refuse(checked, given.any(axis=1) & ~given.all(axis=1), path, "give some bounds of a segment; give four or none")
    is_wrong = given.all(axis=1) & ~_has_length(checked)
    _refuse(checked, is_wrong, path, "have a segment that breaks 0 <= start_seconds < end_seconds")
    relations = order_pairs(checked).groupby(["left_id", "right_id"])["relation"]
    _refuse(checked, relations.transform("nunique") > 1, path, "give one pair several relations")
    return checked


def _has_length(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which segments begin at or after 0 and end after they begin, on both sides."""
    left_start, left_end, right_start, right_end = (rows[name].to_numpy() for name in SEGMENT_COLUMNS)
    is_long: NDArray[np.bool_] = (
        (left_start >= 0) & (left_start < left_end) & (right_start >= 0) & (right_start < right_end)
    )
    return is_long


def _refuse(rows: pd.DataFrame, is_bad: pd.Series[bool], path: Path, fault: str) -> None:
    """Raise ContractError where any row is bad, with the first of them; rows are counted from 1, header apart."""
    if not is_bad.any():
        return
    numbers = np.flatnonzero(is_bad)[:_NUM_SHOWN].tolist()
    shown = (f"row {number + 1} {json.dumps(rows.iloc[number].to_dict(), default=str)}" for number in numbers)
    raise ContractError(f"truth {str(path)!r}: rows {fault}; the first: {'; '.join(shown)}")

"""Ground truth of a set of videos: the pairs that share footage, their segments, and the positives of queries."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.errors import ContractError, UsageError
from udfs.reading.csv_records import read_csv_records

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

RELATIONS = ("copy", "partial", "ignore")
SEGMENT_COLUMNS = ("left_start_seconds", "left_end_seconds", "right_start_seconds", "right_end_seconds")
_TEXT_COLUMNS = ("left_id", "right_id", "relation", "transform")
_REQUIRED_COLUMNS = ("left_id", "right_id", "relation")
_COLUMNS = (*_TEXT_COLUMNS, *SEGMENT_COLUMNS)
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
    """Labels of the videos for a query in one variant of a protocol.

    If a video is in several of the sets, the first set determines its label.

    Attributes:
        query_id: video_id of the query.
        positives: videos that must be found. They include the query itself if the protocol ranks it (as the first).
        negatives: videos that must not be found.
        left_out: videos that are not ranked.
        is_closed: whether videos in none of these sets are not ranked; else they are negatives.
    """

    query_id: str
    positives: frozenset[str]
    negatives: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    is_closed: bool = False

    def get_label(self, video_id: str) -> bool | None:
        """Return whether a video is a positive, or None if it is not ranked."""
        if video_id in self.positives:
            return True
        if video_id in self.negatives:
            return False
        return None if self.is_closed or video_id in self.left_out else False


@dataclass(frozen=True)
class Truth:
    """Ground truth of a set of videos.

    Attributes:
        pairs: columns left_id < right_id, relation, transform and `SEGMENT_COLUMNS` (NaN if unknown); one row per
            segment of a pair. Pairs of relation `copy` and `partial` share footage; `ignore` pairs are neither positive
            nor negative; pairs that are not listed share no footage. None if the set only labels pairs of queries.
        rankings: variant of the protocol -> its queries.
    """

    pairs: pd.DataFrame | None = None
    rankings: Mapping[str, tuple[Query, ...]] = field(default_factory=dict)

    def count_pairs(self) -> int:
        """Return the number of listed pairs and of pairs of a query with a positive."""
        listed = set() if self.pairs is None else set(zip(self.pairs["left_id"], self.pairs["right_id"], strict=True))
        queried = {
            (query.query_id, positive)
            for queries in self.rankings.values()
            for query in queries
            for positive in query.positives - {query.query_id}
        }
        return len(listed) + len(queried)

    def restrict_to(self, video_ids: Collection[str]) -> Truth:
        """Return the truth of these videos only. Queries without a positive other than themselves are dropped."""
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
    """Read a truth in ndvr's format: CSV or Parquet with the columns of `Truth.pairs`. Runs on: driver.

    CSV is read as manifests are: UTF-8, RFC 4180. `transform` and the segments may be empty or missing. The sides of
    pairs with left_id > right_id are swapped.

    Raises:
        UsageError: the file does not exist, or its name ends neither in .csv nor in .parquet.
        ContractError: the file cannot be read, a column is missing, or rows are not valid; the message has the first.
    """
    rows = _read(path)
    missing = [name for name in _REQUIRED_COLUMNS if name not in rows.columns]
    if missing:
        raise ContractError(
            f"truth {str(path)!r} lacks the column(s) {', '.join(missing)}; it has {', '.join(rows.columns)}"
        )
    if rows.empty:
        raise ContractError(f"truth {str(path)!r} has no rows: give --truth a file with at least one pair")
    return Truth(order_pairs(_check(rows, path)))


def order_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Swap the sides, including segments, of rows with left_id > right_id."""
    is_swapped = (rows["left_id"] > rows["right_id"]).to_numpy()
    if not is_swapped.any():
        return rows
    columns = {
        name: np.where(is_swapped, rows[other], rows[name]) for name, other in _SWAPPED.items() if name in rows.columns
    }
    return rows.assign(**columns)


def _read(path: Path) -> pd.DataFrame:
    """Read the file without checks. Cells of a CSV file are text."""
    if not path.is_file():
        raise UsageError(f"truth {str(path)!r} does not exist; give --truth an existing file")
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet"}:
        raise UsageError(
            f"truth {str(path)!r} has no known format; give --truth a file whose name ends in .csv or .parquet"
        )
    if suffix == ".csv":
        return _read_csv(path)
    try:
        return _read_parquet(path)
    except (OSError, ValueError) as error:  # the exceptions of pandas and Arrow are ValueErrors
        raise ContractError(f"truth {str(path)!r} cannot be read as parquet: {error}") from error


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file. ContractError has the first records that cannot be read, with their lines."""
    all_records = list(read_csv_records(path.read_bytes().split(b"\n")))
    if not all_records:
        raise ContractError(f"truth {str(path)!r} is empty; it needs a header and at least one pair")
    header, *records = all_records
    faults = [f"line {record.line}: {record.fault}" for record in all_records if record.fault]
    if faults:
        raise ContractError(f"truth {str(path)!r}: rows cannot be read; the first: {'; '.join(faults[:_NUM_SHOWN])}")
    if repeated := [name for name in _COLUMNS if header.cells.count(name) > 1]:
        raise ContractError(f"truth {str(path)!r} has the column(s) {', '.join(repeated)} twice")
    return pd.DataFrame([record.cells for record in records], columns=header.cells, dtype=str)


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read the columns of a truth, also those that pandas stored as its index; other columns may have any type.

    Raises:
        ValueError: the file cannot be read, or a column of a truth occurs twice or has a type that is not allowed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if not set(_REQUIRED_COLUMNS) <= set(names):
            return pd.DataFrame(columns=names)
        types = dict.fromkeys(_TEXT_COLUMNS, pa.string()) | dict.fromkeys(SEGMENT_COLUMNS, pa.float64())
        given = [name for name in types if name in names]
        if repeated := [name for name in given if names.count(name) > 1]:
            raise ValueError(f"it has several columns with the same name: {repeated}")
        table = file.read(columns=given)
    columns = {}
    for name in given:
        found = table.column(name).type
        values = found.value_type if pa.types.is_dictionary(found) else found
        if pa.types.is_nested(values) or (types[name] == pa.float64() and pa.types.is_temporal(values)):
            raise ValueError(f"column {name} has the type {found}, which is not {types[name]}")
        is_text = pa.types.is_string(values) or pa.types.is_large_string(values)  # an empty text is an unknown bound
        try:
            columns[name] = table.column(name).cast(pa.string() if is_text else types[name])
        except pa.ArrowNotImplementedError as error:
            raise ValueError(f"column {name} has the type {found}, which is not {types[name]}") from error
    rows: pd.DataFrame = pa.table(columns).to_pandas()
    return rows


def _check(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return text columns as text and seconds as numbers. Raise ContractError if rows are not valid."""
    text = {name: rows[name].fillna("").astype(str) if name in rows else "" for name in _TEXT_COLUMNS}
    checked = pd.DataFrame(text, index=rows.index)
    _reject(checked, (checked["left_id"] == "") | (checked["right_id"] == ""), path, "have no left_id or no right_id")
    _reject(checked, checked["left_id"] == checked["right_id"], path, "pair a video with itself (remove them)")
    is_known = checked["relation"].isin(RELATIONS)
    _reject(checked, ~is_known, path, f"have a relation other than {', '.join(RELATIONS)}")
    for name in SEGMENT_COLUMNS:
        cells = rows[name] if name in rows else pd.Series(np.nan, index=rows.index)
        checked[name] = pd.to_numeric(cells, errors="coerce").astype(float)
        is_empty = cells.isna() | (cells.astype(str).str.strip() == "")
        is_bad = ~is_empty & ~np.isfinite(checked[name])
        _reject(rows, is_bad, path, f"have a {name} that is not a number (give seconds, or leave it empty)")
    given = checked[list(SEGMENT_COLUMNS)].notna()
    _reject(checked, given.any(axis=1) & ~given.all(axis=1), path, "have some bounds of a segment (give four or none)")
    is_wrong = given.all(axis=1) & ~_has_duration(checked)
    _reject(checked, is_wrong, path, "have a segment that violates 0 <= start_seconds < end_seconds")
    relations = order_pairs(checked).groupby(["left_id", "right_id"])["relation"]
    _reject(checked, relations.transform("nunique") > 1, path, "have several relations for one pair")
    return checked


def _has_duration(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which segments start at or after 0 and end after their start, on both sides."""
    left_start, left_end, right_start, right_end = (rows[name].to_numpy() for name in SEGMENT_COLUMNS)
    has_duration: NDArray[np.bool_] = (
        (left_start >= 0) & (left_start < left_end) & (right_start >= 0) & (right_start < right_end)
    )
    return has_duration


def _reject(rows: pd.DataFrame, is_bad: pd.Series[bool], path: Path, fault: str) -> None:
    """Raise ContractError with the first bad rows, if there are any. Rows are counted from 1, without the header."""
    if not is_bad.any():
        return
    numbers = np.flatnonzero(is_bad)[:_NUM_SHOWN].tolist()
    shown = (f"row {number + 1} {json.dumps(rows.iloc[number].to_dict(), default=str)}" for number in numbers)
    raise ContractError(f"truth {str(path)!r}: rows {fault}; the first: {'; '.join(shown)}")

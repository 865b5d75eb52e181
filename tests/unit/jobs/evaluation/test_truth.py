from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.errors import ContractError, UsageError
from jobs.evaluation.truth import SEGMENT_COLUMNS, Query, Truth, load_truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]  # content, name -> the file

HEADER = "left_id,right_id,relation,transform," + ",".join(SEGMENT_COLUMNS) + "\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str, name: str = "truth.csv") -> Path:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return write


def load(path: Path) -> list[list[object]]:
    pairs = load_truth(path).pairs
    assert pairs is not None
    return pairs.astype(object).where(pairs.notna(), None).to_numpy().tolist()


def test_pairs_and_their_segments_are_ordered(write: Write) -> None:
    path = write(HEADER + "b,a,partial,flip,1,2,3.5,4.5\na,c,copy,,,,,\n")
    assert load(path) == [
        ["a", "b", "partial", "flip", 3.5, 4.5, 1.0, 2.0],
        ["a", "c", "copy", "", None, None, None, None],
    ]


def test_a_pair_may_have_several_segments_and_ids_are_text(write: Write) -> None:
    path = write(HEADER + "007,NA,copy,x,0,1,0,1\nNA,007,copy,y,5,6,7,8\n")
    assert [row[:6] for row in load(path)] == [
        ["007", "NA", "copy", "x", 0.0, 1.0],
        ["007", "NA", "copy", "y", 7.0, 8.0],
    ]


def test_transform_and_segments_may_be_missing(write: Write) -> None:
    assert load(write("left_id,right_id,relation\na,b,ignore\n")) == [["a", "b", "ignore", "", None, None, None, None]]


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    rows = pd.DataFrame({"left_id": ["b"], "right_id": ["a"], "relation": ["copy"], "transform": [None]})
    rows[list(SEGMENT_COLUMNS)] = [[0.0, 1.0, 2.0, 3.0]]
    rows.to_parquet(tmp_path / "truth.parquet")
    assert load(tmp_path / "truth.parquet") == [["a", "b", "copy", "", 2.0, 3.0, 0.0, 1.0]]


def test_parquet_of_pandas_may_have_an_index_categories_and_columns_of_any_type(tmp_path: Path) -> None:
    rows = pd.DataFrame({"left_id": ["b"], "right_id": ["a"], "relation": ["copy"]}).astype("category")
    rows[list(SEGMENT_COLUMNS)] = [[0, 1, 2, 3]]
    rows = rows.astype({"right_end_seconds": "float32"}).set_index(["left_id", "right_id"])
    table = pa.Table.from_pandas(rows).append_column("far", pa.array([2**50], pa.timestamp("s")))
    pq.write_table(table.append_column("far", pa.array([b"\xff"])), tmp_path / "truth.parquet")
    assert load(tmp_path / "truth.parquet") == [["a", "b", "copy", "", 2.0, 3.0, 0.0, 1.0]]


def test_a_parquet_column_of_another_kind_is_an_error(tmp_path: Path) -> None:
    names = ["left_id", "right_id", "relation", "left_start_seconds"]
    for column, message in (
        (pa.array([1], pa.timestamp("ns")), r"left_start_seconds has the type timestamp\[ns\], which is not double"),
        (pa.array([[1.0]]), r"left_start_seconds has the type list<element: double>, which is not double"),
    ):
        pq.write_table(pa.table([["a"], ["b"], ["copy"], column], names=names), tmp_path / "truth.parquet")
        with pytest.raises(ContractError, match=message):
            load_truth(tmp_path / "truth.parquet")
    pq.write_table(pa.table([["a"], ["b"], ["copy"], ["c"]], names=[*names[:3], "left_id"]), tmp_path / "truth.parquet")
    with pytest.raises(ContractError, match=r"it has several columns with the same name: \['left_id'\]"):
        load_truth(tmp_path / "truth.parquet")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (",b,copy,,,,,\n", r"rows have no left_id or no right_id; the first: row 1 {\"left_id\": \"\""),
        ("a,b,copy,,,,,\nc,c,copy,,,,,\n", "rows pair a video with itself \\(remove them\\); the first: row 2 "),
        ("a,b,same,,,,,\n", "rows have a relation other than copy, partial, ignore; the first: row 1 "),
        (
            "a,b,copy,,one,2,3,4\n",
            "rows have a left_start_seconds that is not a number \\(give seconds, or leave it empty\\)",
        ),
        ("a,b,copy,,0,inf,3,4\n", "rows have a left_end_seconds that is not a number"),
        ("a,b,copy,,0,1,,\n", "rows have some bounds of a segment \\(give four or none\\)"),
        ("a,b,copy,,0,1,4,4\n", "rows have a segment that violates 0 <= start_seconds < end_seconds"),
        ("a,b,copy,,-1,1,3,4\n", "rows have a segment that violates 0 <= start_seconds < end_seconds"),
        ("a,b,copy,,,,,\nb,a,partial,,,,,\n", "rows have several relations for one pair; the first: row 1 .*; row 2 "),
    ],
)
def test_the_error_for_invalid_rows_has_the_first_row(rows: str, message: str, write: Write) -> None:
    with pytest.raises(ContractError, match=message):
        load_truth(write(HEADER + rows))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("left_id,right_id\na,b\n", r"lacks the column\(s\) relation; it has left_id, right_id"),
        ("left_id,right_id,relation\n", "has no rows: give --truth a file with at least one pair"),
        ("", "is empty; it needs a header and at least one pair"),
        (
            "left_id,right_id,relation\na,b,copy,more\n",
            "rows cannot be read; the first: line 2: 4 values, but the header",
        ),
        ("left_id,right_id,relation\na,b,copy\na,b,copy,more\n", "the first: line 3: 4 values, but the header has 3"),
        ("left_id,right_id,relation\na,b\n", "the first: line 2: 2 values, but the header has 3"),
        ('left_id,right_id,relation\na,"b,copy\nc,d,copy\n', "the first: line 2: a quote opens a value, and no quote"),
        ("left_id,right_id,relation\na,b\0,copy\n", "the first: line 2: a NUL byte"),
        ("left_id,right_id,relation,left_id\na,b,copy,c\n", r"has the column\(s\) left_id twice"),
    ],
)
def test_a_file_of_another_format_is_rejected(content: str, message: str, write: Write) -> None:
    with pytest.raises(ContractError, match=message):
        load_truth(write(content))


def test_an_invalid_parquet_file_is_rejected(write: Write) -> None:
    with pytest.raises(ContractError, match=r"truth .*truth\.parquet' cannot be read as parquet: "):
        load_truth(write("left_id", "truth.parquet"))


def test_a_missing_file_or_unknown_format_is_a_usage_error(write: Write, tmp_path: Path) -> None:
    missing = tmp_path / "none.csv"
    with pytest.raises(UsageError, match=re.escape(f"truth '{missing}' does not exist; give --truth an existing file")):
        load_truth(missing)
    with pytest.raises(
        UsageError, match=r"has no known format; give --truth a file whose name ends in \.csv or \.parquet"
    ):
        load_truth(write(HEADER, "truth.json"))


def test_a_truth_is_restricted_to_videos_and_its_pairs_are_counted() -> None:
    pairs = pd.DataFrame({"left_id": ["a", "a", "b"], "right_id": ["b", "b", "z"], "relation": "copy"})
    asked = (Query("a", frozenset("abz")), Query("z", frozenset("a")), Query("b", frozenset("bz")))
    truth = Truth(pairs, {"all": asked, "some": asked[:1]})
    assert truth.count_pairs() == 2 + 4
    kept = truth.restrict_to(["a", "b", "c"])
    assert kept.pairs is not None
    assert kept.pairs["right_id"].tolist() == ["b", "b"]
    assert kept.rankings == {"all": (Query("a", frozenset("ab")),), "some": (Query("a", frozenset("ab")),)}
    assert kept.count_pairs() == 1 + 1


def test_the_label_of_a_video_is_that_of_the_first_set_with_the_video() -> None:
    query = Query("q", frozenset("p"), frozenset("n"), frozenset("pnx"))
    assert [query.get_label(video_id) for video_id in "pnxo"] == [True, False, None, False]
    assert Query("q", frozenset("p"), is_closed=True).get_label("o") is None

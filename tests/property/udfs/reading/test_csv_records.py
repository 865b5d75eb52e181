"""The records of generated CSV files against Python's csv module and pandas."""

from __future__ import annotations

import csv
import io

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from udfs.reading.csv_records import read_csv_records

TEXT = st.text(alphabet=[*'ab",\n\r \t;\\', "\u2028", "\x85", "\x1c", "é", "\U0001f600"], max_size=6)
# A file of any of these pieces: most are not CSV.
PIECES = st.lists(st.sampled_from(["a", ",", '"', '""', "\n", "\r\n", "\r", " ", "\\", "é"]), max_size=25).map("".join)


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_csv_writes_is_read_as_it_was_written(rows: list[list[str]], line_end: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=line_end).writerows(rows)
    content = file.getvalue()
    found = list(read_csv_records(content.encode().split(b"\n")))
    assert [record.cells for record in found] == rows
    assert [record.fault for record in found] == [None] * len(rows)
    table = pd.read_csv(
        io.BytesIO(content.encode()), header=None, dtype=str, keep_default_na=False, skip_blank_lines=False
    )
    assert table.to_numpy().tolist() == rows


@given(PIECES)
@example('a,a\n"a\na,"a"')
@example('a\r\n"a')
def test_any_text_is_read_as_strict_csv_reads_it_or_is_a_fault(content: str) -> None:
    """Until the first fault the records are those of csv; a fault is where csv stops or the width differs."""
    found = list(read_csv_records(content.encode().split(b"\n")))
    expected, is_broken = [], False
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        expected.extend(row for row in reader if row and (len(row) > 1 or row[0].strip()))
    except csv.Error:
        is_broken = True
    width = len(expected[0]) if expected else 0
    read = [record.cells if record.fault is None else None for record in found]
    assert read == [row if len(row) == width else None for row in expected] + [None] * is_broken


@given(st.binary(max_size=40))
def test_any_bytes_are_records_or_faults(content: bytes) -> None:
    records = list(read_csv_records(content.split(b"\n")))
    lines = [record.line for record in records]
    assert lines == sorted(set(lines))
    assert all(bool(record.fault) != bool(record.cells) for record in records)

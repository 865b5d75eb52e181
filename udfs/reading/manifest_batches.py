"""Reads the lines of manifests on executors, as Arrow batches of file and line."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa

from udfs.reading.csv_records import read_csv_records
from udfs.reading.json_lines import read_json_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from udfs.reading.csv_records import CsvRecord

FAULT = "_corrupt_record"
"""The column with the line and the fault of a record that cannot be used."""
FAULTS_DDL = f"{FAULT} STRING"
HEADER_DDL = f"names ARRAY<STRING>, {FAULTS_DDL}"
_MAX_ROWS = 1000
_MAX_CHARACTERS = 8 * 1024 * 1024


def read_headers(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Read the header of each CSV file: a row with `names`, or with a fault. Empty files have no row.

    Args:
        batches: columns `file` and `value`, the lines of each file from its first one on, in their order.
    """
    for _, lines in _split_into_files(batches):
        for header in read_csv_records(lines):
            fault = _name_line(header.line, header.fault) if header.fault else None
            columns = [
                pa.array([None if fault else header.cells], pa.list_(pa.string())),
                pa.array([fault], pa.string()),
            ]
            yield pa.record_batch(columns, names=["names", FAULT])
            break


def read_csv_batches(batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read the records of CSV files: a column of text for each name, null where the value is empty, and the fault.

    Args:
        batches: columns `file` and `value`, the lines of each file in their order.
        names: header that each file must have.
    """
    for _, lines in _split_into_files(batches):
        rows: list[Sequence[str | None]] = []
        num_characters = 0
        for row in _read_rows(lines, list(names)):
            rows.append(row)
            num_characters += sum(map(len, filter(None, row)))
            if len(rows) == _MAX_ROWS or num_characters > _MAX_CHARACTERS:
                yield _make_batch(rows, len(names))
                rows, num_characters = [], 0
        if rows:
            yield _make_batch(rows, len(names))


def find_json_faults(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Find the lines of JSON lines files that hold neither an object nor a list of objects: a row for each, its fault.

    Args:
        batches: columns `file` and `value`, the lines of each file in their order.
    """
    for _, lines in _split_into_files(batches):
        for line in read_json_lines(lines):
            items = line.value if isinstance(line.value, list) else [line.value]
            fault = line.fault
            if fault is None and not all(isinstance(item, dict) for item in items):
                fault = f"a line must be an object: {line.value!r:.100}"
            if fault is not None:
                yield pa.record_batch([pa.array([_name_line(line.line, fault)], pa.string())], names=[FAULT])


def _split_into_files(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield each file with its lines."""
    pairs = (
        pair
        for batch in batches
        for pair in zip(batch.column("file").to_pylist(), batch.column("value").to_pylist(), strict=True)
    )
    for file, group in groupby(pairs, key=lambda pair: pair[0]):
        yield file, (line for _, line in group)


def _read_rows(lines: Iterable[bytes], names: list[str]) -> Iterator[Sequence[str | None]]:
    """Yield the values of each record, then its fault."""
    records = read_csv_records(lines)
    header = next(records, None)
    if header is None:
        return
    if header.fault or header.cells != names:
        fault = header.fault or f"the header differs from that of another file: {','.join(header.cells)!r:.120}"
        yield _make_faulty_row(header._replace(fault=fault), names)
        return
    for record in records:
        if record.fault:
            yield _make_faulty_row(record, names)
        else:
            yield (*[value or None for value in record.cells], None)


def _make_faulty_row(record: CsvRecord, names: list[str]) -> Sequence[str | None]:
    return (*[None] * len(names), _name_line(record.line, record.fault))


def _name_line(line: int, fault: str | None) -> str:
    return f"line {line}: {fault}"


def _make_batch(rows: Sequence[Sequence[str | None]], num_columns: int) -> pa.RecordBatch:
    """Make a batch of rows of values and fault. Spark reads its columns by position."""
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.record_batch(columns, names=[*(f"value_{number}" for number in range(num_columns)), FAULT])

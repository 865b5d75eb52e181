"""Reads CSV as RFC 4180 defines it: every record becomes values, or a fault that names its line.

A quote inside a value that does not begin with a quote is text, as in Python's csv module and pandas. Records end with
LF, CRLF or CR.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_VALUE_CHARACTERS = 16 * 1024 * 1024
"""Longest value that is read. It bounds the memory that an unclosed quote can take."""
_MAX_SHOWN_CHARACTERS = 120
_PIECE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)")


class CsvRecord(NamedTuple):
    """A record of a CSV file.

    Attributes:
        line: the line that it begins in, from 1.
        cells: its values, as written; empty if it has a fault.
        fault: why it cannot be used, with the beginning of its text; None if it can.
    """

    line: int
    cells: list[str]
    fault: str | None = None


def read_csv_records(lines: Iterable[bytes]) -> Iterator[CsvRecord]:
    """Read the records of one file. The first one is the header; blank lines are left out.

    A record that has another number of values than the header, or bytes that are not UTF-8 text, is a fault. So is one
    whose quotes do not match; then no later record is read, because it is unknown where it begins. Nothing is read
    after a fault in the header either. Runs on: driver or executor, with one record in memory.

    Args:
        lines: the file, split at LF, without the LF. A byte order mark of UTF-8 is ignored.
    """
    csv.field_size_limit(MAX_VALUE_CHARACTERS)
    text = _TextLines(lines)
    reader = csv.reader(text, strict=True)
    num_columns: int | None = None
    while True:
        line = reader.line_num + 1
        text.begin_record()
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield CsvRecord(line, [], text.fault or f"{_explain(error, reader.line_num)}: {text.shown}")
            return
        if text.fault is not None:
            yield CsvRecord(line, [], text.fault)
            if num_columns is None:  # without a header no record has a meaning
                return
        elif not values or (len(values) == 1 and not values[0].strip()):
            continue
        elif num_columns is not None and len(values) != num_columns:
            fault = f"{len(values)} values, but the header has {num_columns}: {text.shown}"
            yield CsvRecord(line, [], fault)
        else:
            num_columns = len(values)
            yield CsvRecord(line, values)


class _TextLines:
    """The lines of a file as text for csv.reader, and the fault of those in the current record."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = self._decode(lines)
        self._first: str | None = None
        self.fault: str | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if self._first is None:
            self._first = line
        return line

    @property
    def shown(self) -> str:
        """The beginning of the record, for messages."""
        return show((self._first or "").rstrip("\r\n"))

    def begin_record(self) -> None:
        """Forget the lines of the record before."""
        self._first = self.fault = None

    def _decode(self, lines: Iterable[bytes]) -> Iterator[str]:
        """Yield the lines with their ends, also those that end with CR."""
        is_first = True
        for raw in lines:
            line, fault = decode_line(raw, is_first=is_first)
            is_first = False
            self.fault = self.fault or fault
            if "\r" in line:
                yield from _PIECE.findall(line + "\n")
            else:
                yield line + "\n"


def decode_line(raw: bytes, *, is_first: bool) -> tuple[str, str | None]:
    """Decode a line as UTF-8.

    Args:
        raw: its bytes, without LF.
        is_first: whether it is the first line of its file, where a byte order mark is ignored.

    Returns:
        The text, and the fault if it is not UTF-8 text.
    """
    if is_first:
        raw = raw.removeprefix(BOM_UTF8)
    if b"\0" in raw:
        text = raw.decode(errors="replace")
        return text, f"a NUL byte; save the file as UTF-8 text (is it UTF-16?): {show(text)}"
    try:
        return raw.decode(), None
    except UnicodeDecodeError as error:
        text = raw.decode(errors="replace")
        return text, f"the byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8 text: {show(text)}"


def show(text: str) -> str:
    """Return the beginning of a text in quotes, for messages."""
    return repr(text if len(text) <= _MAX_SHOWN_CHARACTERS else text[:_MAX_SHOWN_CHARACTERS] + "...")


def _explain(error: csv.Error, line: int) -> str:
    """Say in plain words why csv.reader stopped in a line."""
    reason = str(error)
    if "unexpected end" in reason:
        return "a quote opens a value, and no quote closes it before the end of the file"
    if "expected after" in reason:
        return (
            f"text follows a closing quote in line {line}; is an earlier quote not closed? A quote inside a quoted "
            'value is written as ""'
        )
    if "field limit" in reason:
        return f"a value has more than {MAX_VALUE_CHARACTERS} characters; is a quote not closed?"
    return reason

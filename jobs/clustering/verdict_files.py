"""Files of verdicts that people write: CSV or JSON lines, one verdict a row. Runs on: driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from jobs.errors import UsageError
from udfs.reading.csv_records import read_csv_records
from udfs.reading.json_lines import read_json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_FORMATS = (".csv", ".json", ".jsonl", ".ndjson")
_FORMAT_NAMES = f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"
_MAX_FAULTS_SHOWN = 10


class VerdictRow(Protocol):
    """A row of a file, with the videos that it is about."""

    @property
    def subject(self) -> tuple[str, str]:
        """The smaller and the larger video_id; the same id twice if it is about one video."""


_Row = TypeVar("_Row", bound=VerdictRow)


@dataclass(frozen=True)
class RowRules:
    """What a row may contain.

    Attributes:
        columns: the columns that a person fills in, for messages.
        ignored: columns that may be there too.
        required: columns that must not be empty.
    """

    columns: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def check(self, row: object, fault: str | None) -> Mapping[str, str | None]:
        """Return the row if it was read without fault, all its values are text and its columns are known.

        Raises:
            ValueError: they are not, or a required value is empty.
        """
        if fault is not None:
            raise ValueError(fault)
        if not isinstance(row, dict) or not set(row) <= {*self.columns, *self.ignored}:
            raise ValueError(f"{self._describe()}, got {row!r:.100}")
        if not all(isinstance(value, str | None) for value in row.values()):
            raise ValueError(f"every value must be text, got {row!r:.100}")
        if not all(row.get(name) for name in self.required):
            raise ValueError(f"{self._describe()}, got {row!r:.100}")
        return row

    def _describe(self) -> str:
        *others, last = self.columns
        return f"a row must have {', '.join(others)} and optionally {last}"


def read_verdicts(
    path: Path, what: str, rules: RowRules, make: Callable[[Mapping[str, str | None]], _Row | None]
) -> list[_Row]:
    """Read a file of verdicts: CSV with a header, or JSON lines.

    Args:
        path: the file.
        what: what it has, for messages: "decisions" or "answers".
        rules: what a row may contain.
        make: makes a row from its values; None leaves the row out. It raises ValueError if they are not valid.

    Raises:
        UsageError: the file does not exist, its format is unknown, rows are invalid, or two are about the same videos;
            the message lists the first ten.
    """
    if not path.is_file():
        raise UsageError(f"file of {what} {str(path)!r} does not exist")
    found: list[_Row] = []
    faults: list[str] = []
    first_lines: dict[tuple[str, str], int] = {}
    for line, row, fault in _read_rows(path):
        try:
            verdict = make(rules.check(row, fault))
        except ValueError as error:
            faults.append(f"  line {line}: {error}")
            continue
        if verdict is None:
            continue
        if (first := first_lines.setdefault(verdict.subject, line)) != line:
            faults.append(f"  line {line}: {' and '.join(dict.fromkeys(verdict.subject))}: already in line {first}")
        found.append(verdict)
    if faults:
        raise UsageError(f"{str(path)!r}: nothing was written\n" + "\n".join(shorten(faults)))
    return found


def _read_rows(path: Path) -> Iterator[tuple[int, Any, str | None]]:
    """Yield the line, content and fault of each row."""
    if path.suffix not in _FORMATS:
        raise UsageError(f"{str(path)!r} has an unknown format; its name must end in {_FORMAT_NAMES}")
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


def shorten(faults: Sequence[str]) -> list[str]:
    """Return the first ten faults, and a line with the number of the others."""
    rest = len(faults) - _MAX_FAULTS_SHOWN
    return [*faults[:_MAX_FAULTS_SHOWN], *([f"  and {rest} more"] if rest > 0 else [])]

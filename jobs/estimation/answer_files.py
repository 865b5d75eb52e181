"""The files by which people answer: the blind list of the pairs of a sample, and the answers. Runs on: driver."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.clustering.decisions import read_rows, shorten
from jobs.errors import UsageError
from jobs.tables.answers import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LIST_COLUMNS = ("sample_id", "left_id", "right_id", "verdict", "note", "left_uri", "right_uri")
"""The columns of the blind list. People fill in `verdict` and `note`."""
_COLUMNS = frozenset({*LIST_COLUMNS})
_REQUIRED = ("sample_id", "left_id", "right_id")


class PairAnswer(NamedTuple):
    """The answer of a person about a pair of a sample.

    Attributes:
        sample_id: the sample.
        left_id: the smaller video_id.
        right_id: the larger video_id.
        verdict: one of `jobs.tables.answers.VERDICTS`.
        note: remark, or None.
    """

    sample_id: str
    left_id: str
    right_id: str
    verdict: str
    note: str | None = None


def write_list(rows: Iterable[Mapping[str, Any]], uris: Mapping[str, str], path: Path) -> None:
    """Write the pairs of a sample as CSV, with empty verdicts and without anything that the night found out."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LIST_COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        for row in rows:
            named = {name: row[name] for name in _REQUIRED}
            writer.writerow(
                named | {f"{side}_uri": uris.get(row[f"{side}_id"], "") for side in ("left", "right")}
            )  # fmt: skip


def read_answers(path: Path) -> list[PairAnswer]:
    """Read answers from CSV (with a header) or JSON lines: sample_id, left_id, right_id, verdict, optionally note.

    Rows without a verdict are skipped pairs. The columns left_uri and right_uri of the list are ignored.

    Raises:
        UsageError: the file does not exist, its format is unknown, or rows are invalid; the message lists the first
            ten.
    """
    if not path.is_file():
        raise UsageError(f"file of answers {str(path)!r} does not exist")
    answers: list[PairAnswer] = []
    faults: list[str] = []
    first_lines: dict[tuple[str, str], int] = {}
    for line, row, fault in read_rows(path):
        try:
            answer = _read_row(row, fault)
        except ValueError as error:
            faults.append(f"  line {line}: {error}")
            continue
        if answer is None:
            continue
        pair = (answer.left_id, answer.right_id)
        if (first := first_lines.setdefault(pair, line)) != line:
            faults.append(f"  line {line}: {answer.left_id} and {answer.right_id}: already answered in line {first}")
        answers.append(answer)
    if faults:
        raise UsageError(f"{str(path)!r}: nothing was written\n" + "\n".join(shorten(faults)))
    return answers


def _read_row(row: Any, fault: str | None) -> PairAnswer | None:  # noqa: ANN401 -- a line of JSON may hold anything
    """Make an answer from a row; None if it has no verdict.

    Raises:
        ValueError: the row has a fault, has other columns or is not a valid answer.
    """
    if fault is not None:
        raise ValueError(fault)
    if not isinstance(row, dict) or not set(row) <= _COLUMNS or not all(row.get(name) for name in _REQUIRED):
        raise ValueError(f"a row must have sample_id, left_id, right_id, verdict and optionally note, got {row!r:.100}")
    if not all(isinstance(value, str | None) for value in row.values()):
        raise ValueError(f"every value must be text, got {row!r:.100}")
    if not (row.get("verdict") or "").strip():
        return None
    if row["verdict"] not in VERDICTS:
        raise ValueError(f"the verdict must be one of {', '.join(VERDICTS)}, or empty, got {row['verdict']!r}")
    left_id, right_id = sorted((row["left_id"], row["right_id"]))
    return PairAnswer(row["sample_id"], left_id, right_id, row["verdict"], row.get("note") or None)

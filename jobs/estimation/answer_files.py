"""The files by which people answer: the blind list of the pairs of a sample, and the answers. Runs on: driver."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.clustering.verdict_files import RowRules, read_verdicts
from jobs.tables.answers import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_NAMED = ("sample_id", "left_id", "right_id")
_RULES = RowRules((*_NAMED, "verdict", "note"), ignored=("left_uri", "right_uri"), required=_NAMED)
LIST_COLUMNS = (*_RULES.columns, *_RULES.ignored)
"""The columns of the blind list. People fill in `verdict` and `note`."""


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

    @property
    def subject(self) -> tuple[str, str]:
        """The pair that the answer is about."""
        return self.left_id, self.right_id


def write_list(rows: Iterable[Mapping[str, Any]], uris: Mapping[str, str], path: Path) -> None:
    """Write the pairs of a sample as CSV, with empty verdicts and without anything that the night found out."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LIST_COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        for row in rows:
            named = {name: row[name] for name in _NAMED}
            writer.writerow(
                named | {f"{side}_uri": uris.get(row[f"{side}_id"], "") for side in ("left", "right")}
            )  # fmt: skip


def read_answers(path: Path) -> list[PairAnswer]:
    """Read answers from CSV (with a header) or JSON lines: sample_id, left_id, right_id, verdict, optionally note.

    Rows without a verdict are skipped pairs. The columns left_uri and right_uri of the list are ignored.

    Raises:
        UsageError: see `read_verdicts`.
    """
    return read_verdicts(path, "answers", _RULES, _make_from_row)


def _make_from_row(row: Mapping[str, str | None]) -> PairAnswer | None:
    """Make an answer from a row; None if it has no verdict; ValueError if it is not valid."""
    verdict = (row.get("verdict") or "").strip()
    if not verdict:
        return None
    if verdict not in VERDICTS:
        raise ValueError(f"the verdict must be one of {', '.join(VERDICTS)}, or empty, got {verdict!r}")
    left_id, right_id = sorted((str(row["left_id"]), str(row["right_id"])))
    return PairAnswer(str(row["sample_id"]), left_id, right_id, verdict, row.get("note") or None)

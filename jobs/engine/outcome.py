"""The outcome of a run: its stages, the videos that it tried, and its audits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.contracts.stage import StageRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.engine.audits import Finding
    from jobs.engine.results import Results

_MAX_DETAIL_CHARACTERS = 2000


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        records: one record per stage, in the order of the first run of each.
        num_described: videos that were described.
        error_counts: videos that were quarantined, by error code.
        findings: results of the audits.
        audit_values: values that the audits measured.
        overruled: report of the failed gates if the run published with --publish-anyway; None otherwise.
        num_unchanged: videos whose files were read and have the content that is already described.
        lost_counts: videos that were described before and are in quarantine at the end of the run, by error code.
        results: what the published run changed; None for backfills, failed runs, and if it could not be read.
    """

    records: list[StageRecord] = field(default_factory=list)
    num_described: int = 0
    error_counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    audit_values: dict[str, float] = field(default_factory=dict)
    overruled: str | None = None
    num_unchanged: int = 0
    lost_counts: dict[str, int] = field(default_factory=dict)
    results: Results | None = None

    def add(self, record: StageRecord) -> None:
        """Add a record; records of one stage are summed."""
        total = next((known for known in self.records if known.stage == record.stage), None)
        if total is None:
            self.records.append(record)
        else:
            total.seconds += record.seconds
            total.num_rows = (total.num_rows or 0) + (record.num_rows or 0)
            total.input_rows = dict(Counter(total.input_rows) + Counter(record.input_rows))

    def count_attempts(self, tried: DataFrame) -> None:
        """Count the described, the unchanged and the quarantined videos of a batch of attempts."""
        for code, is_unchanged, count in tried.groupBy("error_code", "is_unchanged").count().collect():
            if code is not None:
                self.error_counts[code] += count
            elif is_unchanged:
                self.num_unchanged += count
            else:
                self.num_described += count

    def describe_attempts(self) -> str:
        """Return a line for people about the described, unchanged and quarantined videos."""
        unchanged = f"found {self.num_unchanged} unchanged, " if self.num_unchanged else ""
        return (
            f"described {self.num_described} videos, {unchanged}quarantined {self.error_counts.total()} "
            f"{_list_codes(self.error_counts)}"
        ).rstrip()

    def describe_lost(self) -> str | None:
        """Return a warning about videos that were described before and cannot be read any more; None without any."""
        if not self.lost_counts:
            return None
        return (
            f"{sum(self.lost_counts.values())} videos that were described before cannot be read any more: "
            f"{_list_codes(self.lost_counts)}. They are in no pair, cluster or duplicate until their files are back; "
            "ndvr quarantine lists them"
        )

    @property
    def unseen_pairs(self) -> Counter[str]:
        """Pairs that the first look alone decided, by error_code of the video that could not be decoded."""
        return sum((Counter(record.unseen_pairs) for record in self.records), Counter())

    def describe_unseen_pairs(self) -> str | None:
        """Return a line for people about the pairs without a second look; None if there are none."""
        counts = self.unseen_pairs
        if not counts:
            return None
        return f"{counts.total()} pairs got no second look, because a file could not be read: {_list_codes(counts)}"

    def summarise(self, stage: str, seconds: float, num_rows: int, failure: BaseException | None) -> StageRecord:
        """Return the record of the whole run: how it ended, and why."""
        detail = f"{type(failure).__name__}: {failure}" if failure else self.overruled
        return StageRecord(
            stage,
            "failed" if failure else "done",
            seconds,
            num_rows,
            error_counts=dict(self.error_counts),
            error_detail=detail[:_MAX_DETAIL_CHARACTERS] if detail else None,
        )


def _list_codes(counts: Mapping[str, int]) -> str:
    """Return error codes with their counts, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{code} {count}" for code, count in ranked)

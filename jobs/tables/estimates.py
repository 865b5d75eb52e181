"""estimates: measured precision and recall, with 95 % intervals. Rows are only added; the newest of a model applies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.contracts.table import Table
from jobs.contracts.times import from_unix_micros

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.lake.lake import Lake

QUANTITIES = ("pairs_precision", "duplicates_precision", "recall")
_SECONDS_PER_DAY = 86_400
_LEAST_SHARE = 0.001


def _write_columns(name: str, what: str) -> str:
    """Return the DDL of the columns of a quantity."""
    return f"""
        {name} DOUBLE COMMENT '{what}, in [0, 1]; null without an answer about it',
        {name}_low DOUBLE COMMENT 'lower limit of its 95 % interval',
        {name}_high DOUBLE COMMENT 'upper limit of its 95 % interval',
        {name}_answers INT COMMENT 'answers that it rests on'"""


TABLE = Table(
    name="estimates",
    grain="An estimate of precision and recall from the answers about a sample",
    key=("sample_id", "estimated_at"),
    checks={"has_answers": "num_answers > 0"},
    ddl=f"""
        sample_id STRING NOT NULL COMMENT 'the sample',
        model_id STRING NOT NULL COMMENT 'the model whose pairs were judged',
        run_id STRING NOT NULL COMMENT 'the published run whose tables were judged',
        estimated_at TIMESTAMP NOT NULL COMMENT 'UTC; the newest row of a model applies',
        drawn_at TIMESTAMP NOT NULL COMMENT 'UTC; when the sample was drawn: the age of an estimate counts from it',
        num_answers INT NOT NULL COMMENT 'pairs of the sample with an answer',
        {_write_columns("pairs_precision", "share of the rows of pairs that share footage")},
        {_write_columns("duplicates_precision", "share of the rows of duplicates whose relation is right")},
        {_write_columns("recall", "share of the candidates that share footage that are published")}
    """,
)


@dataclass(frozen=True)
class Share:
    """A measured share with its 95 % interval.

    Attributes:
        value: in [0, 1].
        low: lower limit.
        high: upper limit.
        num_answers: answers that it rests on.
    """

    value: float
    low: float
    high: float
    num_answers: int

    def __str__(self) -> str:
        """Return for example ".994 (.985 to .998)"."""
        return f"{format_share(self.value)} ({format_share(self.low)} to {format_share(self.high)})"


@dataclass(frozen=True)
class Estimate:
    """A row of the table.

    Attributes:
        sample_id: the sample.
        drawn_at: when it was drawn, UTC.
        num_answers: pairs of the sample with an answer.
        pairs_precision: None without answers about rows of `pairs`.
        duplicates_precision: None without answers about rows of `duplicates`.
        recall: None without answers about candidates that share footage.
    """

    sample_id: str
    drawn_at: datetime
    num_answers: int
    pairs_precision: Share | None = None
    duplicates_precision: Share | None = None
    recall: Share | None = None

    @property
    def precision(self) -> Share | None:
        """The precision of `duplicates`, which people act on; that of `pairs` if the sample has no duplicate."""
        return self.duplicates_precision or self.pairs_precision

    def measure_age_days(self, now: datetime) -> float:
        """Return the days since the sample was drawn."""
        return max(0.0, (now - self.drawn_at).total_seconds() / _SECONDS_PER_DAY)

    def describe(self, now: datetime) -> str:
        """Return for example "precision .994 (.985 to .998; 100 pairs, 12 days ago)"."""
        share = self.precision
        if share is None:
            return "precision not measured"
        limits = f"{format_share(share.low)} to {format_share(share.high)}"
        pairs = f"{share.num_answers} pair{'s' * (share.num_answers != 1)}"
        return f"precision {format_share(share.value)} ({limits}; {pairs}, {format_age(self.measure_age_days(now))})"


def format_share(value: float) -> str:
    """Return a share with three decimals and without a leading zero: ".994". Only 0 and 1 are "0" and "1"."""
    shown = value if value in {0.0, 1.0} else min(max(value, _LEAST_SHARE), 1 - _LEAST_SHARE)
    text = f"{shown:.3f}".rstrip("0").rstrip(".")
    return text.removeprefix("0") or "0"


def format_age(days: float) -> str:
    """Return an age in whole days: "today", "1 day ago", "12 days ago"."""
    whole = int(days)
    return "today" if whole == 0 else f"{whole} day{'s' * (whole != 1)} ago"


def read_last_estimate(lake: Lake, model_id: str) -> Estimate | None:
    """Read the newest estimate of a model; None if there is none. Runs on: driver."""
    if not lake.exists(TABLE):
        return None
    rows = lake.read(TABLE.name).where(F.col("model_id") == model_id)
    dated = rows.withColumn("drawn_micros", F.unix_micros("drawn_at"))
    found = dated.agg(F.max_by(F.struct("*"), "estimated_at").alias("newest")).collect()[0]["newest"]
    return None if found is None else read_estimate(found.asDict(), from_unix_micros(found["drawn_micros"]))


def read_estimate(row: dict[str, Any], drawn_at: datetime) -> Estimate:
    """Make an estimate from a row of the table."""
    suffixes = ("", "_low", "_high", "_answers")
    shares = {
        name: None if row[name] is None else Share(*(row[f"{name}{suffix}"] for suffix in suffixes))
        for name in QUANTITIES
    }
    return Estimate(row["sample_id"], drawn_at, row["num_answers"], **shares)


def make_row(estimate: Estimate, model_id: str, run_id: str, estimated_at: datetime) -> dict[str, Any]:
    """Make a row of the table."""
    row: dict[str, Any] = {
        "sample_id": estimate.sample_id,
        "model_id": model_id,
        "run_id": run_id,
        "estimated_at": estimated_at,
        "drawn_at": estimate.drawn_at,
        "num_answers": estimate.num_answers,
    }
    for name in QUANTITIES:
        share: Share | None = getattr(estimate, name)
        values = (None,) * 4 if share is None else (share.value, share.low, share.high, share.num_answers)
        row |= dict(zip((name, f"{name}_low", f"{name}_high", f"{name}_answers"), values, strict=True))
    return row

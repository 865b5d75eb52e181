"""answers: what people said about the pairs of samples. Rows are only added; the newest about a pair applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

VERDICTS = ("duplicate", "part", "not_duplicate")
"""duplicate: one is a copy of the other. part: they share footage, and neither is a copy of the other."""
SHARES_FOOTAGE = frozenset({"duplicate", "part"})
"""The verdicts that say that the two share footage."""
TABLE = Table(
    name="answers",
    grain="An answer of a person about a pair of a sample; the newest row about a pair applies",
    key=("sample_id", "left_id", "right_id", "answered_at"),
    audit_columns=(),
    checks={
        "verdict_is_known": "verdict IN ('duplicate', 'part', 'not_duplicate')",
        "ids_are_ordered": "left_id < right_id",
        "is_signed": "length(answered_by) > 0",
    },
    ddl="""
        sample_id STRING NOT NULL COMMENT 'the sample that the pair was shown in',
        left_id STRING NOT NULL COMMENT 'video_id; the smaller of the two',
        right_id STRING NOT NULL COMMENT 'video_id; the larger of the two',
        verdict STRING NOT NULL COMMENT 'duplicate, part (shared footage, neither is a copy) or not_duplicate',
        answered_by STRING NOT NULL COMMENT 'name of the person',
        answered_at TIMESTAMP NOT NULL COMMENT 'UTC; the newest row about the same pair applies',
        note STRING COMMENT 'remark of the person'
    """,
)


def answers_in_force(answers: DataFrame) -> DataFrame:
    """Select the newest row about each pair, whatever the sample. Runs on: driver.

    What a pair shows does not depend on the sample that it was drawn into, so one answer serves all samples.
    """
    newest = answers.groupBy("left_id", "right_id").agg(F.max_by(F.struct("*"), "answered_at").alias("newest"))
    return newest.select("newest.*")

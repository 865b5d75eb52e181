"""decisions: decisions of people about two videos or one, which every later run obeys. Rows are only added."""

from __future__ import annotations

from jobs.contracts.table import Table

TABLE = Table(
    name="decisions",
    grain="A decision about two videos or one, or its withdrawal; the newest row applies",
    key=("left_id", "right_id", "decided_at"),
    audit_columns=(),
    checks={
        "verdict_is_known": "verdict IN ('duplicate', 'not_duplicate', 'part', 'keep_this')",
        "ids_are_ordered": "left_id < right_id OR (verdict = 'keep_this' AND left_id = right_id)",
        "is_signed": "length(decided_by) > 0",
    },
    ddl="""
        left_id STRING NOT NULL COMMENT 'video_id; the smaller of the two',
        right_id STRING NOT NULL COMMENT 'video_id; the larger of the two, or left_id if it is about one video',
        verdict STRING NOT NULL COMMENT 'duplicate, not_duplicate or part for two videos, keep_this for one',
        is_withdrawn BOOLEAN NOT NULL COMMENT 'true withdraws the earlier decision about the same videos',
        decided_by STRING NOT NULL COMMENT 'name of the person',
        decided_at TIMESTAMP NOT NULL COMMENT 'UTC; the newest row about the same videos applies',
        note STRING COMMENT 'reason given by the person'
    """,
)

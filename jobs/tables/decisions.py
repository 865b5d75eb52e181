"""decisions: what people have decided about two videos, or one; obeyed by every later run. Rows are never changed."""

from __future__ import annotations

from jobs.contracts.table import Table

TABLE = Table(
    name="decisions",
    grain="A decision about two videos, or about one, or its withdrawal; the newest holds",
    key=("left_id", "right_id", "decided_at"),
    audit_columns=(),
    checks={
        "verdict_is_known": "verdict IN ('duplicate', 'not_duplicate', 'keep_this')",
        "ids_are_ordered": "left_id < right_id OR (verdict = 'keep_this' AND left_id = right_id)",
        "is_signed": "length(decided_by) > 0",
    },
    ddl="""
        left_id STRING NOT NULL COMMENT 'video_id; the smaller of the two',
        right_id STRING NOT NULL COMMENT 'video_id; the larger of the two; left_id again where it is about one video',
        verdict STRING NOT NULL COMMENT 'duplicate, not_duplicate, or keep_this for one video',
        is_withdrawn BOOLEAN NOT NULL COMMENT 'true takes the decision back: nothing is decided',
        decided_by STRING NOT NULL COMMENT 'who decided, or withdrew',
        decided_at TIMESTAMP NOT NULL COMMENT 'UTC; the newest row about the same videos holds',
        note STRING COMMENT 'why'
    """,
)

"""samples: pairs that `ndvr sample` drew for people to judge, with the sizes of their strata. Rows are only added."""

from __future__ import annotations

from jobs.contracts.table import Table

TABLE = Table(
    name="samples",
    grain="A pair of videos drawn into a sample",
    key=("sample_id", "left_id", "right_id"),
    checks={
        "ids_are_ordered": "left_id < right_id",
        "probability_is_in_range": "match_probability BETWEEN 0 AND 1",
        "stratum_has_pairs": "stratum_size >= 1 AND stratum_size_variance >= 0",
    },
    ddl="""
        sample_id STRING NOT NULL COMMENT 'starts with the UTC time of the draw',
        left_id STRING NOT NULL COMMENT 'video_id; the smaller of the two',
        right_id STRING NOT NULL COMMENT 'video_id; the larger of the two',
        model_id STRING NOT NULL COMMENT 'the model whose pairs are judged',
        stratum STRING NOT NULL COMMENT 'the part of the population that the pair was drawn from',
        stratum_size DOUBLE NOT NULL COMMENT 'pairs in the stratum; an estimate if not all videos were searched again',
        stratum_size_variance DOUBLE NOT NULL COMMENT 'variance of that estimate; 0 if the size is exact',
        match_probability DOUBLE NOT NULL COMMENT 'probability at the time of the draw, in [0, 1]',
        is_published BOOLEAN NOT NULL COMMENT 'true if it is a row of pairs',
        relation STRING COMMENT 'relation of the pair; null if it is not aligned',
        duplicate_relation STRING COMMENT 'relation in duplicates; null if the two are not in duplicates',
        min_probability DOUBLE NOT NULL COMMENT 'the threshold of the verifier at the time of the draw',
        seed BIGINT NOT NULL COMMENT 'seed of the draw',
        drawn_at TIMESTAMP NOT NULL COMMENT 'UTC',
        run_id STRING NOT NULL COMMENT 'the published run whose tables were drawn from'
    """,
)

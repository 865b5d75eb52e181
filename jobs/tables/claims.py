"""claims: the videos that each run is describing, so that no other run describes them at the same time."""

from __future__ import annotations

from jobs.contracts.table import Table

TABLE = Table(
    name="claims",
    grain="A video x descriptor_id that an active run is describing, or that an ended run described in its last batch",
    key=("video_id", "descriptor_id"),
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        descriptor_id STRING NOT NULL COMMENT 'the kind of descriptors that the run computes',
        run_id STRING NOT NULL COMMENT 'the run that describes the video; the claim is valid while that run is active',
        claimed_at TIMESTAMP NOT NULL COMMENT 'time of the claim, UTC'
    """,
)

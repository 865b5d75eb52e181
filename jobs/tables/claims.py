"""claims: what each run is describing, so that no other describes it at the same time."""

from __future__ import annotations

from jobs.contracts.table import Table

TABLE = Table(
    name="claims",
    grain="A video x descriptor_id that a run is describing or, where the run has ended, described in its last batch",
    key=("video_id", "descriptor_id"),
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        descriptor_id STRING NOT NULL COMMENT 'the descriptors that are made of it',
        run_id STRING NOT NULL COMMENT 'the run that describes it; the claim holds for as long as that run goes',
        claimed_at TIMESTAMP NOT NULL COMMENT 'UTC'
    """,
)

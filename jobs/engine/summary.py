"""One JSON object about a run, whether it ended well or not: what a scheduler, a dashboard or a person asks first."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageSummary(_Model):
    """What a stage did; the numbers of `runs`."""

    stage: str = Field(description="the table that it builds")
    status: Literal["done", "skipped"] = Field(description="skipped: nothing to do; a stage that failed is not listed")
    seconds: float = Field(description="wall-clock time")
    num_rows: int | None = Field(description="rows built; null where it was skipped")
    input_rows: dict[str, int] = Field(description="rows of each table that was read")
    rows_per_second: float | None = Field(description="rows built a second; null where it was skipped")
    search_plan: str | None = Field(description="of pairs: exact, cells, incremental or inverted_index")
    search_recall: float | None = Field(description="of pairs: share that cells found, estimated; null where exact")


class AuditSummary(_Model):
    """What an audit found. Audits with too little to judge by are not listed."""

    audit: str = Field(description="its name")
    value: float = Field(description="what was measured")
    limit: float = Field(description="it trips above this")
    setting: str = Field(description="the key of the config that sets the limit")
    is_tripped: bool = Field(description="the value is above the limit")
    what: str = Field(description="the measured numbers, in words")


class RunSummary(_Model):
    """A run. Fields may be added; one that is removed or changes its meaning raises `schema_version`."""

    schema_version: Literal[1] = Field(1, description="of these fields")
    run_id: str = Field(description="as in the table runs")
    run_date: date = Field(description="the night, as the scheduler counts nights")
    started_at: datetime = Field(description="UTC")
    seconds: float = Field(description="wall-clock time, Spark's start included")
    status: Literal["done", "failed"] = Field(description="done: the night is published")
    exit_code: int = Field(description="of the process: see the README")
    error: str | None = Field(description="why it failed: the error's class and message")
    manifest: str = Field(description="path or URI")
    lake: str = Field(description="path or URI")
    model_id: str | None = Field(description="the embedding model in use; null where the run came not so far")
    code_version: str = Field(description="of ndvr")
    config_fingerprint: str | None = Field(
        description="changes whenever a setting that decides rows does, or the model's calibration"
    )
    num_described: int = Field(description="videos described in this run")
    error_counts: dict[str, int] = Field(description="videos quarantined in this run, by error_code")
    stages: list[StageSummary] = Field(description="in the order of the pipeline, as far as it came")
    audits: list[AuditSummary] = Field(description="in the order in which they are done")
    is_overruled: bool = Field(description="audits tripped, and the night was published by --publish-anyway")
    published: dict[str, int] = Field(description="Delta version of each published table that this run built anew")

"""The summary of a run, successful or failed: one JSON object for schedulers, dashboards and people."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageSummary(_Model):
    """What a stage did, with the numbers of `runs`."""

    stage: str = Field(description="table that the stage builds")
    status: Literal["done", "skipped"] = Field(description="skipped: nothing to do; a failed stage is not listed")
    seconds: float = Field(description="wall-clock time")
    num_rows: int | None = Field(description="rows built; null if skipped")
    input_rows: dict[str, int] = Field(description="rows of each table that the stage read")
    rows_per_second: float | None = Field(description="rows built per second; null if skipped")
    search_plan: str | None = Field(
        description="search plan of stage pairs: exact, cells, incremental or inverted_index"
    )
    search_recall: float | None = Field(
        description="estimated share of the pairs that cells found; null if the search is exact"
    )
    unseen_pairs: dict[str, int] = Field(
        description="stage pairs: pairs that the first look alone decided, by error_code of the video that has no "
        "thumbnails and could not be decoded"
    )


class AuditSummary(_Model):
    """The result of an audit. Audits with too little data are not listed."""

    audit: str = Field(description="name of the audit")
    value: float = Field(description="measured value")
    limit: float = Field(description="the audit trips above this value")
    setting: str = Field(description="key of the config that sets the limit")
    is_tripped: bool = Field(description="the value is above the limit")
    what: str = Field(description="the measured numbers, in words")


class UnreadValuesSummary(_Model):
    """Values of the manifest that the run reads as null, because they break a rule."""

    column: str = Field(description="column of the manifest")
    num_rows: int = Field(description="rows with such a value")
    sample: tuple[str, ...] = Field(description="the first of them, each as JSON with its video_id")
    rule: str = Field(description="what values must be")


class ShareSummary(_Model):
    """A measured share with its 95 % interval."""

    value: float = Field(description="the estimate, in [0, 1]")
    low: float = Field(description="lower limit")
    high: float = Field(description="upper limit")
    num_answers: int = Field(description="answers that it rests on")


class EstimateSummary(_Model):
    """The newest estimate of `ndvr estimate` for the model in use."""

    sample_id: str = Field(description="the sample that people answered")
    drawn_at: datetime = Field(description="when the sample was drawn, UTC")
    age_days: float = Field(description="days from the draw to the start of the run")
    pairs_precision: ShareSummary | None = Field(description="precision of `pairs`; null if not measured")
    duplicates_precision: ShareSummary | None = Field(description="precision of `duplicates`; null if not measured")
    recall: ShareSummary | None = Field(description="recall among candidates; null if not measured")


class ResultsSummary(_Model):
    """What a published run changed and what is left to do."""

    num_added: int = Field(description="rows of `duplicates` that the run added")
    num_removed: int = Field(description="rows of `duplicates` that the run removed")
    num_obeyed: int = Field(description="decisions in force about videos that exist")
    reclaimable_bytes: int = Field(description="sum of the view `reclaimable_bytes`")
    num_to_review: int = Field(description="rows of the view `review_queue`")
    estimate: EstimateSummary | None = Field(description="measured precision and recall; null if not measured")


class RunSummary(_Model):
    """The summary of a run. Fields may be added; removing or changing one increments `schema_version`."""

    schema_version: Literal[1] = Field(1, description="version of this schema")
    run_id: str = Field(description="id of the run, as in the table runs")
    run_date: date = Field(description="date that the scheduler runs it for")
    started_at: datetime = Field(description="start of the run, UTC")
    seconds: float = Field(description="wall-clock time, including the start of Spark")
    status: Literal["done", "failed"] = Field(description="done: the run is published")
    exit_code: int = Field(description="exit code of the process, see docs/troubleshooting.md")
    error: str | None = Field(description="class and message of the error; null if the run succeeded")
    manifest: str = Field(description="path or URI of the manifest")
    lake: str = Field(description="path or URI of the lake")
    model_id: str | None = Field(description="embedding model in use; null if the run failed before it was chosen")
    code_version: str = Field(description="version of ndvr")
    config_fingerprint: str | None = Field(
        description="changes if a setting that affects rows or the calibration of the model changes"
    )
    unread_values: list[UnreadValuesSummary] = Field(description="values of the manifest that are read as null")
    num_described: int = Field(description="videos described in this run")
    num_unchanged: int = Field(description="videos whose files were read and have the content that is described")
    error_counts: dict[str, int] = Field(description="videos quarantined in this run, by error_code")
    lost_counts: dict[str, int] = Field(
        description="videos described before whose files cannot be read any more, by error_code: in this or an earlier "
        "run; they are in no pair, cluster or duplicate"
    )
    stages: list[StageSummary] = Field(description="stages that ran, in the order of the pipeline")
    audits: list[AuditSummary] = Field(description="audits in the order of execution")
    is_overruled: bool = Field(description="audits tripped, and --publish-anyway published the run")
    results: ResultsSummary | None = Field(
        description="what the run changed; null for failed runs and if it could not be read"
    )
    published: dict[str, int] = Field(description="Delta version of each published table that this run rebuilt")

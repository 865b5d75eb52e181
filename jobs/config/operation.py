"""The sections of the config for audits, maintenance and metrics. They do not change the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base class of a section. Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QualityConfig(Section):
    """The limits that a nightly run must keep before it is published."""

    max_failed_fraction: Fraction = Field(
        0.9, description="highest share of failed videos, among those tried since the last published run"
    )
    max_removed_fraction: Fraction = Field(
        0.2, description="highest share of known videos that a complete manifest may leave out"
    )
    max_lost_fraction: Fraction = Field(
        0.2, description="highest share of known videos whose files can no longer be opened; above it nothing changes"
    )
    min_attempts: Positive = Field(20, description="the three limits above are not checked below this number of videos")
    max_cluster_fraction: Fraction = Field(
        0.2, description="highest share of the described videos in the largest cluster"
    )
    max_pairs_per_new_video: PositiveFloat = Field(
        500.0, description="highest average number of pairs of a new video; pairs of relation common are not counted"
    )
    max_without_keeper_fraction: Fraction = Field(
        0.0, description="highest share of rows of clusters whose cluster does not have exactly one keeper"
    )
    max_drift_factor: Annotated[float, Field(ge=1)] = Field(
        5.0,
        description="highest factor between this run and the median of earlier runs, in the shares of failed and of "
        "clustered videos and in pairs per video",
    )
    drift_runs: Positive = Field(7, description="number of published runs in the median")
    min_videos: Positive = Field(
        1000, description="largest cluster, pairs and drift are not checked below this number of videos"
    )
    min_precision: Fraction | None = Field(
        None,
        description="lowest precision of `duplicates` by the newest `ndvr estimate` of the model; null: no estimate is "
        "needed. Not checked in the first run of a model",
    )
    max_estimate_age_days: PositiveFloat = Field(
        90.0, description="with min_precision: greatest age of the sample that the estimate rests on"
    )


class MaintenanceConfig(Section):
    """What `ndvr maintain` keeps, and for how long."""

    retention_hours: PositiveFloat = Field(
        168.0, description="keep files that the newest version of a table does not read, for time travel"
    )
    keep_run_days: PositiveFloat = Field(365.0, description="delete older rows of `runs` and older logs")
    expire_model_days: PositiveFloat | None = Field(
        90.0, description="delete the rows of models that no run used for this long; null: never"
    )
    keep_models: tuple[str, ...] = Field((), description="model_ids and descriptor_ids whose rows are never deleted")
    idle_run_hours: PositiveFloat = Field(
        24.0, description="a run that has staged nothing for this long counts as killed"
    )

    @model_validator(mode="after")
    def _check_that_uses_of_models_are_recorded(self) -> Self:
        if self.expire_model_days is not None and self.keep_run_days < self.expire_model_days:
            raise ValueError(
                f"keep_run_days must be at least expire_model_days ({self.expire_model_days:g}), got "
                f"{self.keep_run_days:g}: `runs` records when a model was last used"
            )
        return self


class MetricsConfig(Section):
    """Where the metrics of a run are sent when it ends."""

    pushgateway_url: str | None = Field(None, description="URL of a Prometheus Pushgateway; null: metrics are not sent")
    job: str = Field("ndvr_nightly", description="the label `job` of the metrics")


class SparkConfig(Section):
    """What is added to the Spark sessions that ndvr starts. Under spark-submit, pass these to spark-submit instead."""

    packages: tuple[str, ...] = Field(
        (),
        description="libraries as group:artifact:version, from Maven Central; the connector of the lake's store is "
        "added if none is named",
    )
    conf: dict[str, SecretStr] = Field(
        {}, description="properties of Spark; they override those of ndvr; logs and tables do not show their values"
    )
    class_archives: Path | None = Field(
        Path("~/.cache/ndvr"),
        description="folder for the classes that Spark loads, 200 MB: the first run stores them when it ends, and "
        "later commands start faster; null: none",
    )

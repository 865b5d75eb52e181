"""The sections of the config that decide how nights are judged and looked after, and no row of a table."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A section: frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QualityConfig(Section):
    """What must hold before a night is published."""

    max_failed_fraction: Fraction = Field(0.9, description="of the videos tried since the last published night")
    max_removed_fraction: Fraction = Field(0.2, description="of the videos known, that a complete manifest may drop")
    min_attempts: Positive = Field(20, description="tries, or videos known, below which a fraction says nothing")
    max_cluster_fraction: Fraction = Field(0.2, description="of the described videos, in the largest cluster")
    max_pairs_per_new_video: PositiveFloat = Field(500.0, description="on average; without relation common")
    max_without_keeper_fraction: Fraction = Field(0.0, description="of the rows of clusters: not exactly one keeper")
    max_drift_factor: Annotated[float, Field(ge=1)] = Field(
        5.0, description="of shares (failed, in clusters) and pairs per video, from their medians"
    )
    drift_runs: Positive = Field(7, description="published runs that the medians are taken of")
    min_videos: Positive = Field(1000, description="videos below which clusters, pairs and drift say nothing")


class MaintenanceConfig(Section):
    """What `ndvr maintain` keeps, and for how long."""

    retention_hours: PositiveFloat = Field(168.0, description="of files that no table needs any more: time travel")
    keep_run_days: PositiveFloat = Field(365.0, description="rows of `runs`, and logs, that are older are deleted")
    expire_model_days: PositiveFloat | None = Field(90.0, description="a model unused for so long; null: never")
    keep_models: tuple[str, ...] = Field((), description="model_ids and descriptor_ids that are kept, used or not")
    idle_run_hours: PositiveFloat = Field(24.0, description="a run that has staged nothing for so long was killed")

    @model_validator(mode="after")
    def _check_that_uses_of_models_are_known(self) -> Self:
        if self.expire_model_days is not None and self.keep_run_days < self.expire_model_days:
            raise ValueError(
                f"keep_run_days must be at least expire_model_days ({self.expire_model_days:g}), got "
                f"{self.keep_run_days:g}: the runs tell when a model was last used"
            )
        return self


class MetricsConfig(Section):
    """Where a run's figures are sent when it ends."""

    pushgateway_url: str | None = Field(None, description="of a Prometheus Pushgateway; null: nowhere")
    job: str = Field("ndvr_nightly", description="the label `job` that they are kept under there")

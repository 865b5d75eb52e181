"""The published run whose tables are measured, with its settings, model and threshold. Runs on: driver."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pyspark.sql import functions as F

from jobs.config.settings import Config
from jobs.contracts.published_runs import IS_PUBLISHED, write_newest
from jobs.contracts.run import choose_verifier, find_configured_model
from jobs.errors import UsageError
from jobs.lake.required_tables import require_tables
from jobs.tables import runs

if TYPE_CHECKING:
    from jobs.lake.lake import Lake
    from models.embedding_models import EmbeddingModel
    from models.verifier import Verifier


@dataclass(frozen=True)
class PublishedRun:
    """The newest published run.

    Attributes:
        run_id: its id.
        config: its settings, or those given.
        model: the model in use.
        verifier: of the model, with the threshold of the settings; None if pairs are not verified.
    """

    run_id: str
    config: Config
    model: EmbeddingModel
    verifier: Verifier | None

    @property
    def min_probability(self) -> float:
        """The probability from which pairs are published, in [0, 1]."""
        if self.verifier is not None:
            return self.verifier.min_probability
        similarity, calibration = self.config.pairs.min_cosine_similarity, self.model.calibration
        if calibration is None:
            return 0.5  # `Calibration.without_labels`
        threshold = calibration.min_cosine_similarity if similarity is None else similarity
        return 1 / (1 + exp(-(calibration.intercept + calibration.slope * threshold)))


def read_published_run(lake: Lake, config: Config | None) -> PublishedRun:
    """Read the newest published run.

    Args:
        lake: a lake.
        config: settings to use; None for those that the run recorded.

    Raises:
        UsageError: no run is published, its settings cannot be used, or the settings name another model than its own.
    """
    require_tables(lake, runs.TABLE)
    newest = F.expr(write_newest("struct(run_id, model_id, config)")).alias("newest")
    row = lake.read("runs").where(IS_PUBLISHED).agg(newest).collect()[0]["newest"]
    if row is None:
        raise UsageError(f"no run has been published in {lake.root!r}; run ndvr nightly first")
    try:
        used = config or Config(**json.loads(row["config"] or "{}"))
        model = find_configured_model(used)
    except ValidationError as error:
        raise UsageError(f"the settings of run {row['run_id']} cannot be read: pass --config ({error})") from error
    if model.model_id != row["model_id"]:
        raise UsageError(
            f"run {row['run_id']} used model {row['model_id']}, and the settings name {model.model_id}: pass the "
            "settings of the nightly run with --config"
        )
    return PublishedRun(row["run_id"], used, model, choose_verifier(used, model))

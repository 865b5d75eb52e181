"""Tries a model on the videos that a lake has described, without a run: all pairs, labelled and scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.contracts.run import find_configured_model
from jobs.training.calibration import measure_transforms, sweep_thresholds
from jobs.training.labelling import label_videos

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.training.calibration import LabelledPairs


@dataclass(frozen=True)
class Trial:
    """What a model makes of pairs whose truth is known, by the similarity of whole videos alone.

    Attributes:
        model_id: which model.
        labelled: the pairs.
        sweep: as `jobs.training.calibration.sweep_thresholds` returns it.
    """

    model_id: str
    labelled: LabelledPairs
    sweep: pd.DataFrame

    @property
    def best(self) -> pd.Series[Any]:
        """The row of the sweep with the largest F1; of several the lowest threshold."""
        return self.sweep.iloc[int(self.sweep["f1"].to_numpy().argmax())]

    def measure_transforms(self, threshold: float) -> pd.DataFrame:
        """Return the recall of copies by transform at a threshold: columns transform, num_pairs, recall."""
        return measure_transforms(self.labelled, threshold)


def try_model(lake: Lake, truth: Path, config: Config) -> Trial:
    """Embed the described videos of a lake by the model of a config, and hold all pairs against a truth.

    Nothing is written. Runs on: driver, which holds a vector of each video; they are made on executors.

    Args:
        lake: whose descriptors are taken.
        truth: file as `jobs.evaluation.truth.load_truth` reads it; partial copies are left out.
        config: whose `embeddings` name the model and whose `describe` the descriptors.

    Raises:
        UsageError: no such model is there, or the truth names no copy among the videos.
        ContractError: the truth breaks its format.
    """
    model = find_configured_model(config)
    labelled = label_videos(lake, model, "true", truth, config)
    return Trial(model.model_id, labelled, sweep_thresholds(labelled))

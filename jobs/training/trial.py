"""Try a model on the described videos of a lake without a run: score all pairs and compare them with a truth."""

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
    """Scores of labelled pairs by a model, from the similarity of whole videos only.

    Attributes:
        model_id: id of the model.
        labelled: the labelled pairs with their similarities.
        sweep: as `jobs.training.calibration.sweep_thresholds` returns it.
    """

    model_id: str
    labelled: LabelledPairs
    sweep: pd.DataFrame

    @property
    def best(self) -> pd.Series[Any]:
        """The row of the sweep with the largest F1; among equal F1, the lowest threshold."""
        return self.sweep.iloc[int(self.sweep["f1"].to_numpy().argmax())]

    def measure_transforms(self, threshold: float) -> pd.DataFrame:
        """Return the recall of copies per transform at a threshold: columns transform, num_pairs, recall."""
        return measure_transforms(self.labelled, threshold)


def try_model(lake: Lake, truth: Path, config: Config) -> Trial:
    """Embed the described videos of a lake with the model of a config, and compare all pairs with a truth.

    Nothing is written. Runs on: driver, which has the vectors of all videos in memory; executors compute them.

    Args:
        lake: the lake with the descriptors.
        truth: file in the format of `jobs.evaluation.truth.load_truth`; partial copies are excluded.
        config: section `embeddings` selects the model, section `describe` the descriptors.

    Raises:
        UsageError: there is no such model, or the truth has no copy among the videos.
        ContractError: the truth is not in the format.
    """
    model = find_configured_model(config)
    labelled = label_videos(lake, model, "true", truth, config)
    return Trial(model.model_id, labelled, sweep_thresholds(labelled))

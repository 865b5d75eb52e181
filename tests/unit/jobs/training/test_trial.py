from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from jobs.config.settings import Config
from jobs.errors import UsageError
from jobs.training.calibration import LabelledPairs, sweep_thresholds
from jobs.training.trial import Trial, try_model


def test_the_best_threshold_is_the_lowest_with_the_largest_f1() -> None:
    cosines, is_copy = np.array([0.9, 0.8, 0.5, 0.1]), np.array([True, True, False, False])
    labelled = LabelledPairs(cosines, is_copy, (("crop",), ("mirror",), (), ()), "four pairs")
    trial = Trial("m", labelled, sweep_thresholds(labelled))
    assert (trial.best["threshold"], trial.best["f1"]) == (pytest.approx(0.501), 1.0)
    assert trial.measure_transforms(0.85).to_dict("records") == [
        {"transform": "mirror", "num_pairs": 1, "recall": 0.0},
        {"transform": "crop", "num_pairs": 1, "recall": 1.0},
    ]


def test_a_missing_model_is_rejected_before_the_lake_is_read() -> None:
    config = Config(**cast("dict[str, Any]", {"embeddings": {"method": "triplet"}}))
    with pytest.raises(UsageError, match="embeddings: no triplet model is shipped"):
        try_model(cast("Any", None), Path("truth.csv"), config)

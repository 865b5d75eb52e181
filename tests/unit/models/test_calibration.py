from __future__ import annotations

import math

import pytest

from models.calibration import Calibration


def probability(calibration: Calibration, cosine: float) -> float:
    return 1 / (1 + math.exp(-(calibration.intercept + calibration.slope * cosine)))


def test_without_labels_the_probability_at_the_threshold_is_a_half_and_increases_with_the_cosine() -> None:
    calibration = Calibration.without_labels(0.7)
    assert probability(calibration, 0.7) == pytest.approx(0.5)
    assert probability(calibration, 0.8) == pytest.approx(1 / (1 + math.exp(-3)))
    assert calibration.fitted_on == "no labelled pairs"


def test_another_threshold_does_not_change_the_probabilities() -> None:
    calibration = Calibration(0.6, -9.0, 20.0, "pairs")
    assert calibration.at_threshold(0.8) == Calibration(0.8, -9.0, 20.0, "pairs")

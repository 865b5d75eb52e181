from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.training.calibration import LabelledPairs, sweep_thresholds
from jobs.training.plots import draw_calibration, draw_training
from models.training import Epoch

if TYPE_CHECKING:
    from pathlib import Path

HISTORY = [Epoch(0, float("nan"), 0.5), Epoch(1, 2.0, 0.7), Epoch(2, 1.0, 0.8)]
SWEEP = sweep_thresholds(LabelledPairs(np.array([0.9, 0.1]), np.array([True, False]), ((), ()), ""))
RELIABILITY = pd.DataFrame({"probability": [0.1, 0.9], "copy_share": [0.0, 1.0], "num_pairs": [1, 1]})
PNG = b"\x89PNG\r\n\x1a\n"


def test_a_training_is_plotted_into_a_png_file_in_a_new_folder(tmp_path: Path) -> None:
    draw_training(HISTORY, tmp_path / "new" / "training.png", "contrastive")
    content = (tmp_path / "new" / "training.png").read_bytes()
    assert content.startswith(PNG)
    assert len(content) > 5000


def test_a_calibration_is_plotted_into_a_png_file(tmp_path: Path) -> None:
    draw_calibration(SWEEP, 0.5, RELIABILITY, tmp_path / "calibration.png")
    assert (tmp_path / "calibration.png").read_bytes().startswith(PNG)


def test_equal_data_give_equal_bytes_and_other_data_do_not(tmp_path: Path) -> None:
    def draw(name: str, threshold: float) -> bytes:
        draw_calibration(SWEEP, threshold, RELIABILITY, tmp_path / name)
        draw_training(HISTORY, tmp_path / f"training-{name}", "triplet")
        return (tmp_path / name).read_bytes() + (tmp_path / f"training-{name}").read_bytes()

    assert draw("one.png", 0.5) == draw("two.png", 0.5)
    assert draw("one.png", 0.5) != draw("two.png", 0.6)


def test_a_history_with_one_epoch_is_plotted(tmp_path: Path) -> None:
    draw_training(HISTORY[:1], tmp_path / "training.png", "whitened")
    assert (tmp_path / "training.png").read_bytes().startswith(PNG)

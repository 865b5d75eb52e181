"""Plots that training and calibration write to the folder of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from models.training import Epoch

_DPI = 110


def draw_training(history: Sequence[Epoch], file: Path, title: str) -> None:
    """Plot the loss and the held-out average precision of each epoch into a PNG file. Runs on: driver."""
    figure, (left, right) = _make_figure(2)
    numbers = [epoch.number for epoch in history]
    left.plot(numbers, [epoch.loss for epoch in history], color="tab:blue")
    left.set(xlabel="epoch", ylabel="mean loss of the batches", title=title)
    right.plot(numbers, [epoch.average_precision for epoch in history], color="tab:green")
    right.set(xlabel="epoch", ylabel="average precision", title="held-out footage; epoch 0 is before training")
    _save(figure, file)


def draw_calibration(sweep: pd.DataFrame, threshold: float, reliability: pd.DataFrame, file: Path) -> None:
    """Plot precision, recall and F1 by threshold, and a reliability diagram, into a PNG file. Runs on: driver.

    Args:
        sweep: as `jobs.training.calibration.sweep_thresholds` returns it.
        threshold: the chosen threshold.
        reliability: as `jobs.training.calibration.measure_reliability` returns it.
        file: path of the PNG file.
    """
    figure, (left, right) = _make_figure(2)
    for name in ("precision", "recall", "f1"):
        left.plot(sweep["threshold"], sweep[name], label=name)
    left.axvline(threshold, color="black", linestyle="--", label=f"chosen: {threshold:.3f}")
    left.set(xlabel="minimum cosine similarity", title="pairs at or above a threshold")
    left.legend()
    right.plot([0, 1], [0, 1], color="grey", linestyle=":")
    right.plot(reliability["probability"], reliability["copy_share"], marker="o")
    right.set(xlabel="match_probability", ylabel="fraction of copies", title="reliability")
    _save(figure, file)


def _make_figure(num_panels: int) -> tuple[Figure, Sequence[Axes]]:
    """Make a figure with panels side by side, without a window system or the global state of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * num_panels, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, num_panels, squeeze=False)[0]
    for panel in panels:
        panel.grid(visible=True, alpha=0.3)
    return figure, list(panels)


def _save(figure: Figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=_DPI, metadata={"Software": None})  # so that equal data give equal bytes

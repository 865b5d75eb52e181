"""Draws the charts of a report with matplotlib: an SVG for light pages and one for dark pages. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from jobs.review.report_data import Overview

CHARTS = "charts"
_SIZE_INCHES = (4.4, 2.3)  # so that labels are readable on a phone
_BAR_INCHES = 0.24
_AXIS_INCHES = 0.65
_SIZE_BINS = ((2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))


class Theme(NamedTuple):
    """Colours of a chart. The contrast to the page is at least 3 to 1 for bars and lines, and 7 to 1 for text."""

    ink: str
    faint: str
    bar: str
    mark: str


THEMES = {
    "light": Theme("#1c2733", "#c9d1d9", "#2563a8", "#b3261e"),
    "dark": Theme("#e6edf3", "#3d4650", "#6cb2ff", "#ff9a8f"),
}


class Chart(NamedTuple):
    """A chart with its numbers, for readers who cannot see it.

    Attributes:
        name: of its files, `charts/<name>-light.svg` and `-dark.svg`.
        title: heading.
        summary: alternative text, a sentence.
        columns: headings of the table of its numbers.
        rows: its numbers as text.
    """

    name: str
    title: str
    summary: str
    columns: tuple[str, str]
    rows: Sequence[tuple[str, str]]


def draw_charts(overview: Overview, folder: Path) -> list[Chart]:
    """Draw the charts of a report into `folder` and describe them."""
    (folder / CHARTS).mkdir(parents=True, exist_ok=True)
    return [
        _draw_histogram(
            "probabilities", "Probability of the pairs", "match_probability", overview.probabilities,
            overview.min_probability, folder,
        ),
        _draw_histogram(
            "similarities", "Similarity of the pairs", "cosine_similarity", overview.cosines,
            overview.min_cosine, folder,
        ),
        _draw_bars(
            "sizes", "Size of the clusters", ("videos in a cluster", "clusters"),
            bin_sizes(overview.cluster_sizes), folder,
        ),
        _draw_bars("errors", "Errors of videos in quarantine", ("error_code", "videos"), overview.error_codes, folder),
        _draw_bars(
            "stages", "Duration of the stages", ("stage", "seconds"),
            {name: round(seconds, 1) for name, _, seconds, _ in overview.run.stages}, folder,
        ),
        _draw_bars(
            "history", "Duration of the runs", ("run", "seconds"),
            {run.run_id: round(run.seconds, 1) for run in reversed(overview.history)}, folder,
        ),
    ]  # fmt: skip


def bin_sizes(sizes: Mapping[int, int]) -> dict[str, int]:
    """Count clusters by size; large sizes are grouped."""
    binned = {}
    for low, high in _SIZE_BINS:
        name = f"{low}" if low == high else f"{low} and more" if high is None else f"{low} to {high}"
        binned[name] = sum(n for size, n in sizes.items() if low <= size and (high is None or size <= high))
    last = max((place for place, number in enumerate(binned.values()) if number), default=-1)
    return dict(list(binned.items())[: last + 1])


def _draw_histogram(
    name: str, title: str, column: str, hundredths: Mapping[int, int], threshold: float | None, folder: Path
) -> Chart:
    """Draw a histogram of a value in hundredths, and the threshold."""
    lowest = min([*hundredths, 100 if threshold is None else int(threshold * 100), 99])
    counts = [(place, hundredths.get(place, 0)) for place in range(lowest, 100)]
    counts[-1] = (99, hundredths.get(99, 0) + hundredths.get(100, 0))

    def draw(axes: Axes, theme: Theme) -> None:
        axes.bar([place / 100 for place, _ in counts], [n for _, n in counts], 0.008, align="edge", color=theme.bar)
        axes.set(xlabel=column, ylabel="pairs", xlim=(lowest / 100 - 0.01, 1.01))
        if threshold is not None:
            axes.axvline(threshold, color=theme.mark, linestyle="--", linewidth=2)
            axes.annotate(
                f" threshold {threshold:.3f}", (threshold, 1.0), xycoords=("data", "axes fraction"),
                va="bottom", color=theme.mark,
            )  # fmt: skip

    num_pairs = sum(hundredths.values())
    threshold_text = f" The threshold is {threshold:.3f}." if threshold is not None else ""
    summary = f"Histogram of {column} of {num_pairs} pairs.{threshold_text}"
    rows = [(f"{place / 100:.2f} to {(place + 1) / 100:.2f}", str(number)) for place, number in counts if number]
    return _save(Chart(name, title, summary, (column, "pairs"), rows), draw, folder, "y")


def _draw_bars(name: str, title: str, columns: tuple[str, str], values: Mapping[str, float], folder: Path) -> Chart:
    """Draw a bar for each value."""

    def draw(axes: Axes, theme: Theme) -> None:
        bars = axes.barh(list(values), list(values.values()), color=theme.bar)
        axes.bar_label(bars, labels=[f"{value:g}" for value in values.values()], padding=3, color=theme.ink)
        axes.invert_yaxis()
        axes.margins(x=0.16)
        axes.set(xlabel=columns[1])

    largest = max(values, key=lambda key: values[key], default=None)
    summary = f"Bar chart of {columns[1]} by {columns[0]}" + (
        f"; the longest is {largest}, {values[largest]:g}." if largest is not None else "; no data."
    )
    rows = [(key, f"{value:g}") for key, value in values.items()]
    return _save(Chart(name, title, summary, columns, rows), draw, folder, "x")


def _save(chart: Chart, draw: Callable[[Axes, Theme], None], folder: Path, values_on: Literal["x", "y"]) -> Chart:
    """Draw a chart once for each theme. Equal numbers result in equal bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not chart.rows:
        return chart
    height = _AXIS_INCHES + _BAR_INCHES * len(chart.rows) if values_on == "x" else _SIZE_INCHES[1]
    for name, theme in THEMES.items():
        colours = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), theme.ink)
        settings: dict[Any, Any] = {
            "svg.hashsalt": chart.name, "svg.fonttype": "none", "text.parse_math": False,
            "font.family": "sans-serif", "axes.edgecolor": theme.faint, "grid.color": theme.faint,
            "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, **colours,
        }  # fmt: skip
        with mpl.rc_context(settings):
            figure = Figure(figsize=(_SIZE_INCHES[0], height), layout="constrained")
            FigureCanvasSVG(figure)
            axes = figure.subplots()
            axes.grid(visible=True, axis=values_on, linewidth=0.6)
            axis = axes.xaxis if values_on == "x" else axes.yaxis
            axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
            draw(axes, theme)
            file = folder / CHARTS / f"{chart.name}-{name}.svg"
            figure.savefig(file, transparent=True, metadata={"Date": None, "Creator": None})
    return chart

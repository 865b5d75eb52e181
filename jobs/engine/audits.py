"""What must hold before a night is published: measures of it, judged by limits and by the last nights."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jobs.config.operation import QualityConfig
    from jobs.engine.measures import Measures

_MIN_RUNS = 3
"""Published runs below which there is nothing to drift from: a median of two is either."""
_NOISE = 0.01
"""Values below are taken for this one where they are compared: from .001 to .003 is a factor, and nothing else."""
_DRIFTING = ("failed_fraction", "clustered_fraction", "pairs_per_video")


@dataclass(frozen=True)
class Finding:
    """What an audit found.

    Attributes:
        audit: its name.
        value: what was measured.
        limit: it trips above this.
        setting: the key of the config that sets the limit.
        what: the measured numbers, for people.
        remedy: what to do where it trips.
    """

    audit: str
    value: float
    limit: float
    setting: str
    what: str
    remedy: str

    @property
    def is_tripped(self) -> bool:
        """Whether the night must not be published."""
        return self.value > self.limit


def audit_failures(measures: Measures, config: QualityConfig) -> Finding | None:
    """Hold the share of videos that failed; None below `min_attempts` tries."""
    if measures.num_tried < max(config.min_attempts, 1):
        return None
    codes = sorted(measures.error_counts.items(), key=lambda item: (-item[1], item[0]))
    return Finding(
        "failed_fraction",
        measures.values["failed_fraction"],
        config.max_failed_fraction,
        "quality.max_failed_fraction",
        f"{measures.num_failed} of {measures.num_tried} videos failed"
        + (f" ({', '.join(f'{code} {count}' for code, count in codes)})" if codes else ""),
        "look at the quarantine table, mend the cause, and release them: ndvr quarantine --release-code",
    )


def audit_largest_cluster(measures: Measures, config: QualityConfig) -> Finding | None:
    """Hold the share of videos in the largest cluster: chained strangers; None below `min_videos` videos."""
    if measures.num_videos < config.min_videos:
        return None
    return Finding(
        "largest_cluster_fraction",
        measures.values["largest_cluster_fraction"],
        config.max_cluster_fraction,
        "quality.max_cluster_fraction",
        f"{measures.num_in_largest} of {measures.num_videos} videos are in one cluster ({measures.largest_cluster_id})",
        "look for strangers in it; raise pairs.min_match_probability or clusters.min_path_probability",
    )


def audit_new_pairs(measures: Measures, config: QualityConfig) -> Finding | None:
    """Hold the pairs that new videos have, on average; None below `min_videos` new videos."""
    if measures.num_new_videos < config.min_videos:
        return None
    return Finding(
        "pairs_per_new_video",
        measures.values["pairs_per_new_video"],
        config.max_pairs_per_new_video,
        "quality.max_pairs_per_new_video",
        f"{measures.num_new_videos} new videos have {measures.num_new_pairs} pairs",
        "look at what they share: a title card, a blank picture, a model of other videos",
    )


def audit_keepers(measures: Measures, config: QualityConfig) -> Finding | None:
    """Hold the share of members whose cluster has not exactly one keeper; None where there is no cluster."""
    if not measures.num_clustered:
        return None
    return Finding(
        "without_keeper_fraction",
        measures.values["without_keeper_fraction"],
        config.max_without_keeper_fraction,
        "quality.max_without_keeper_fraction",
        f"{measures.num_without_keeper} of {measures.num_clustered} rows of clusters have not exactly one keeper",
        "this is a fault of ndvr: report it, with the log of the run",
    )


def audit_drift(measures: Measures, history: Sequence[Mapping[str, float]], config: QualityConfig) -> Iterator[Finding]:
    """Compare shares with their medians over the last published runs, `history`.

    More and less count alike, but that less videos fail is no fault. Below `min_videos` videos, or tries, and before
    the fourth published run nothing is compared.
    """
    for name in _DRIFTING:
        earlier = [values[name] for values in history if name in values][: config.drift_runs]
        num_counted = measures.num_tried if name == "failed_fraction" else measures.num_videos
        if len(earlier) < _MIN_RUNS or num_counted < config.min_videos:
            continue
        value, usual = measures.values[name], median(earlier)
        ratio = max(value, _NOISE) / max(usual, _NOISE)
        yield Finding(
            f"drift_of_{name}",
            ratio if name == "failed_fraction" else max(ratio, 1 / ratio),
            config.max_drift_factor,
            "quality.max_drift_factor",
            f"{name} is {value:.3g}, and its median over the last {len(earlier)} published runs {usual:.3g}",
            "find what has changed: the manifest, the files, the model, the settings",
        )


def audit(measures: Measures, history: Sequence[Mapping[str, float]], config: QualityConfig) -> list[Finding]:
    """Do all audits for which there is enough to judge by. Runs on: driver.

    Args:
        measures: of what is about to be published.
        history: `audit_values` of the last published runs, the newest first.
        config: the limits.
    """
    simple = (audit_failures, audit_largest_cluster, audit_new_pairs, audit_keepers)
    found = [finding for check in simple if (finding := check(measures, config)) is not None]
    return found + list(audit_drift(measures, history, config))


def report_failed_gates(findings: Iterable[Finding]) -> str | None:
    """Tell what tripped, a line each: measured value, limit, setting, what to do; None where nothing did."""
    lines = [
        f"  {f.audit} {f.value:.4g}: {f.what}; {f.setting} is {f.limit:g}. {f.remedy[0].upper()}{f.remedy[1:]}"
        for f in findings
        if f.is_tripped
    ]
    return f"{len(lines)} audit{'s' * (len(lines) > 1)} tripped:\n" + "\n".join(lines) if lines else None

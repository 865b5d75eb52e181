"""The audits of a run before it is published: its measures are compared with limits and with earlier runs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from jobs.config.operation import QualityConfig
    from jobs.engine.measures import Measures
    from jobs.tables.estimates import Estimate

_MIN_RUNS = 3
"""Drift is not checked with fewer published runs: a median of two values is not robust."""
_NOISE = 0.01
"""Smaller values count as this value in ratios: a rise from .001 to .003 is noise."""
_DRIFTING = ("failed_fraction", "clustered_fraction", "pairs_per_video")


@dataclass(frozen=True)
class Finding:
    """The result of an audit.

    Attributes:
        audit: name of the audit.
        value: measured value.
        limit: the audit trips above this value.
        setting: key of the config that sets the limit.
        what: the measured numbers, in words.
        remedy: what to do if it trips.
        configured: value of the setting, if it is not the limit itself.
    """

    audit: str
    value: float
    limit: float
    setting: str
    what: str
    remedy: str
    configured: float | None = None

    @property
    def is_tripped(self) -> bool:
        """Whether the run must not be published."""
        return self.value > self.limit


def audit_failures(measures: Measures, config: QualityConfig) -> Finding | None:
    """Check the share of failed videos; None below `min_attempts` attempts."""
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
        "look at the quarantine table, fix the cause, and release the videos: ndvr quarantine --release-code",
    )


def audit_largest_cluster(measures: Measures, config: QualityConfig) -> Finding | None:
    """Check the share of videos in the largest cluster, which may chain unrelated videos; None below `min_videos`."""
    if measures.num_videos < config.min_videos:
        return None
    return Finding(
        "largest_cluster_fraction",
        measures.values["largest_cluster_fraction"],
        config.max_cluster_fraction,
        "quality.max_cluster_fraction",
        f"{measures.num_in_largest} of {measures.num_videos} videos are in one cluster ({measures.largest_cluster_id})",
        "look for unrelated videos in it; raise pairs.min_match_probability or clusters.min_path_probability",
    )


def audit_new_pairs(measures: Measures, config: QualityConfig) -> Finding | None:
    """Check the average number of pairs of new videos; None below `min_videos` new videos."""
    if measures.num_new_videos < config.min_videos:
        return None
    return Finding(
        "pairs_per_new_video",
        measures.values["pairs_per_new_video"],
        config.max_pairs_per_new_video,
        "quality.max_pairs_per_new_video",
        f"{measures.num_new_videos} new videos have {measures.num_new_pairs} pairs",
        "look at what they share, such as a title card or a blank picture; check that the model fits the videos",
    )


def audit_keepers(measures: Measures, config: QualityConfig) -> Finding | None:
    """Check the share of members of clusters without exactly one keeper; None without clusters."""
    if not measures.num_clustered:
        return None
    return Finding(
        "without_keeper_fraction",
        measures.values["without_keeper_fraction"],
        config.max_without_keeper_fraction,
        "quality.max_without_keeper_fraction",
        f"{measures.num_without_keeper} of {measures.num_clustered} rows of clusters have no keeper or several",
        "this is a bug of ndvr; report it with the log of the run",
    )


def audit_drift(measures: Measures, history: Sequence[Mapping[str, float]], config: QualityConfig) -> Iterator[Finding]:
    """Compare measures with their medians over the last published runs, `history`.

    Increases and decreases count, but a decrease of failures does not. Nothing is compared below `min_videos` videos or
    attempts, and before the fourth published run.
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
            f"{name} is {value:.3g}; its median over the last {len(earlier)} published runs is {usual:.3g}",
            "find out what changed: the manifest, the files, the model or the settings",
        )


def audit_estimate(estimate: Estimate | None, now: datetime, config: QualityConfig) -> list[Finding]:
    """Check that `duplicates` was measured, recently, and with a sufficient precision, if `min_precision` is set.

    Args:
        estimate: the newest of the model in use.
        now: start of the run, UTC.
        config: the limits.
    """
    if config.min_precision is None:
        return []
    remedy = "draw pairs with ndvr sample, answer, and run ndvr estimate"
    setting = "quality.min_precision"
    if estimate is None or estimate.precision is None:
        what = "precision has not been measured for this model"
        return [Finding("missing_estimates", 1, 0, setting, what, remedy, config.min_precision)]
    share = estimate.precision
    return [
        Finding(
            "estimate_age_days",
            estimate.measure_age_days(now),
            config.max_estimate_age_days,
            "quality.max_estimate_age_days",
            f"sample {estimate.sample_id} is the newest with an estimate",
            remedy,
        ),
        Finding(
            "false_fraction",
            1 - share.value,
            1 - config.min_precision,
            setting,
            f"precision is {share} by {share.num_answers} answers",
            "raise pairs.min_match_probability to the threshold that ndvr estimate prints, and measure again",
            config.min_precision,
        ),
    ]


def audit(measures: Measures, history: Sequence[Mapping[str, float]], config: QualityConfig) -> list[Finding]:
    """Run all audits that have enough data. Runs on: driver.

    Args:
        measures: measures of the rows to publish.
        history: `audit_values` of the last published runs, the newest first.
        config: the limits.
    """
    simple = (audit_failures, audit_largest_cluster, audit_new_pairs, audit_keepers)
    found = [finding for check in simple if (finding := check(measures, config)) is not None]
    return found + list(audit_drift(measures, history, config))


def report_failed_gates(findings: Iterable[Finding]) -> str | None:
    """Report the tripped audits, one line each: value, numbers, setting, limit, what to do; None if none tripped."""
    lines = [
        f"  {f.audit} {f.value:.4g}: {f.what}; {f.setting} is {f.limit if f.configured is None else f.configured:g}. "
        f"{f.remedy[0].upper()}{f.remedy[1:]}"
        for f in findings
        if f.is_tripped
    ]
    return f"{len(lines)} audit{'s' * (len(lines) > 1)} tripped:\n" + "\n".join(lines) if lines else None

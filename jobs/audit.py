"""What must hold before a night is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import QualityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.config import QualityConfig


def check_attempts(num_described: int, error_counts: Mapping[str, int], config: QualityConfig) -> None:
    """Hold the share of videos that failed in this run to its limit. Runs on: driver.

    Raises:
        QualityError: more failed than `quality.max_failed_fraction` of at least `quality.min_attempts` videos.
    """
    num_failed = sum(error_counts.values())
    num_tried = num_described + num_failed
    if num_tried < config.min_attempts or num_failed <= config.max_failed_fraction * num_tried:
        return
    codes = ", ".join(f"{code} {count}" for code, count in sorted(error_counts.items(), key=lambda item: -item[1]))
    raise QualityError(
        f"{num_failed} of {num_tried} videos failed ({codes}); quality.max_failed_fraction is "
        f"{config.max_failed_fraction}. Nothing was published. Look at the quarantine table, mend the cause or raise "
        "the limit, and run again"
    )


def check_removed(num_removed: int, num_known: int, config: QualityConfig) -> None:
    """Hold the share of videos that a complete manifest no longer names to its limit. Runs on: driver.

    Raises:
        QualityError: more are gone than `quality.max_removed_fraction` of at least `quality.min_attempts` videos.
    """
    if num_known < config.min_attempts or num_removed <= config.max_removed_fraction * num_known:
        return
    raise QualityError(
        f"the manifest does not name {num_removed} of the {num_known} videos that are known, and manifest.is_complete "
        f"says that they are gone; quality.max_removed_fraction is {config.max_removed_fraction}. Nothing was changed. "
        "Give the whole manifest, raise the limit, or switch is_complete off"
    )

"""The rule of which videos the tables may make statements about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def select_present(manifest: DataFrame, quarantine: DataFrame) -> DataFrame:
    """Select the videos that exist, as far as the last runs know. Grain: one row per video, with video_id.

    A video is present if it is listed, not removed, and not in quarantine: the last attempt to read its file succeeded.
    So a video whose file is lost, empty, unreadable or replaced by something else is absent until an attempt succeeds,
    although its descriptors are still stored. Only present videos are in pairs, clusters and duplicates. Otherwise the
    last copy of a lost video would be reported as a duplicate of it. Runs on: driver.

    Args:
        manifest: rows of `manifest`.
        quarantine: rows of `quarantine`.
    """
    listed = manifest.where("removed_at IS NULL").select("video_id")
    return listed.join(quarantine.select("video_id"), "video_id", "left_anti")

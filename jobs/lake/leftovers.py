"""Runs that are going, what killed runs left in the staging area, and logs that are old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobs.contracts.run_ids import parse_run_time

if TYPE_CHECKING:
    from jobs.config.operation import MaintenanceConfig
    from jobs.lake.files import FileEntry, LakeFiles


@dataclass(frozen=True)
class StagingArea:
    """The runs that have a folder in it.

    Attributes:
        going: run_id -> its start, UTC; of runs that have staged something lately.
        left: folders of runs that were killed.
    """

    going: dict[str, datetime]
    left: list[FileEntry]


def look_into_staging(files: LakeFiles, root: str, config: MaintenanceConfig, now: datetime) -> StagingArea:
    """Tell the runs that are going from those that were killed: those have staged nothing for `idle_run_hours`.

    A run makes its folder when it stages its first table, and removes it when it ends. Runs on: driver.
    """
    going: dict[str, datetime] = {}
    left: list[FileEntry] = []
    for entry in files.list_folder(f"{root}/_staging"):
        if entry.modified_at < now - timedelta(hours=config.idle_run_hours):
            left.append(entry)
        else:
            going[entry.name] = parse_run_time(entry.name) or entry.modified_at
    return StagingArea(going, left)


def find_old_logs(files: LakeFiles, root: str, config: MaintenanceConfig, now: datetime) -> list[FileEntry]:
    """Find the logs of runs that are forgotten. Runs on: driver."""
    oldest = now - timedelta(days=config.keep_run_days)
    return [entry for entry in files.list_folder(f"{root}/_logs") if entry.modified_at < oldest]


def find_stray_indexes(files: LakeFiles, root: str, model_ids: set[str]) -> list[FileEntry]:
    """Find the indexes of models that have no embeddings any more. Runs on: driver."""
    return [e for e in files.list_folder(f"{root}/_index") if e.name not in {*model_ids, "current.json"}]

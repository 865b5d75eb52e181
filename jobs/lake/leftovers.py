"""Files beside the tables: the staging areas of active and killed runs, old logs, and indexes without embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobs.contracts.run_ids import parse_run_time
from jobs.lake.run_logs import LOGS

if TYPE_CHECKING:
    from jobs.config.operation import MaintenanceConfig
    from jobs.lake.files import FileEntry, LakeFiles


@dataclass(frozen=True)
class StagingArea:
    """The runs that have a folder in the staging area.

    Attributes:
        active: run_id -> start time in UTC, for runs that staged something recently.
        abandoned: folders of killed runs.
    """

    active: dict[str, datetime]
    abandoned: list[FileEntry]


def inspect_staging(files: LakeFiles, root: str, config: MaintenanceConfig, now: datetime) -> StagingArea:
    """Separate active runs from killed ones: a killed run has staged nothing for `idle_run_hours`.

    A run creates its folder when it stages its first table, and removes it when it ends. Runs on: driver.
    """
    active: dict[str, datetime] = {}
    abandoned: list[FileEntry] = []
    for entry in files.list_folder(f"{root}/_staging"):
        if entry.modified_at < now - timedelta(hours=config.idle_run_hours):
            abandoned.append(entry)
        else:
            active[entry.name] = parse_run_time(entry.name) or entry.modified_at
    return StagingArea(active, abandoned)


def find_old_logs(files: LakeFiles, root: str, config: MaintenanceConfig, now: datetime) -> list[FileEntry]:
    """Find the logs that are older than `keep_run_days`. Runs on: driver."""
    oldest = now - timedelta(days=config.keep_run_days)
    return [entry for entry in files.list_folder(f"{root}/{LOGS}") if entry.modified_at < oldest]


def find_orphaned_indexes(files: LakeFiles, root: str, model_ids: set[str]) -> list[FileEntry]:
    """Find the indexes of models that no longer have embeddings. Runs on: driver."""
    return [entry for entry in files.list_folder(f"{root}/_index") if entry.name not in {*model_ids, "current.json"}]

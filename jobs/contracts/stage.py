"""What a stage is: the table that it builds, the inputs that it reads, and the function that builds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pyspark.sql import DataFrame

if TYPE_CHECKING:
    from jobs.contracts.run import Run
    from jobs.contracts.table import Table

Inputs: TypeAlias = Mapping[str, DataFrame]


@dataclass(frozen=True)
class Built:
    """What a build returns if it has facts for `runs` beside its rows.

    Attributes:
        rows: rows of the table.
        search_plan: how the search was done: exact, cells, incremental or inverted_index.
        search_recall: estimated share of the pairs that cells found, in [0, 1]; None for an exact search.
        unseen_pairs: number of pairs that the first look alone decided, by error_code of the video that has no
            thumbnails and could not be decoded.
    """

    rows: DataFrame
    search_plan: str | None = None
    search_recall: float | None = None
    unseen_pairs: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def of(built: DataFrame | Built) -> Built:
        """Return the result of a build that may have returned only rows."""
        return built if isinstance(built, Built) else Built(built)


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline: it builds one table from others.

    Attributes:
        builds: the table that the stage builds.
        reads: names of the inputs that `build` uses.
        build: pure function (inputs, run) -> rows of the table, or rows with facts; it neither reads nor writes tables.
        is_published: True if people query the table, so that it changes only after all stages and audits of a run.
        is_journal: True for the published table that is committed first, so that a run that is killed between two
            commits leaves it ahead of the others and never behind.
        is_transient: True if the table exists only in the staging area, for the following stages.
        is_staged: True if rows are written to the staging area first. False only if `build` merely filters and joins
            stored rows, so that running it twice is cheap and gives the same result.
        is_appended: True if `build` returns only rows whose keys are not stored, so that they are added without a
            comparison with all stored rows.
        within: input with the keys that the build covers; rows with other keys stay unchanged, whichever run wrote
            them. None if the build covers the whole table.
    """

    builds: Table
    reads: tuple[str, ...]
    build: Callable[[Inputs, Run], DataFrame | Built]
    is_published: bool = False
    is_journal: bool = False
    is_transient: bool = False
    is_staged: bool = True
    is_appended: bool = False
    within: str | None = None

    @property
    def name(self) -> str:
        """Name of the stage, which is the name of its table."""
        return self.builds.name


@dataclass(frozen=True)
class Loop:
    """Stages that run repeatedly, one batch at a time, until no videos are due."""

    stages: tuple[Stage, ...]


@dataclass
class StageRecord:
    """What a stage did in a run: a row of `runs`."""

    stage: str
    status: str
    seconds: float
    num_rows: int | None = None
    input_versions: dict[str, int] = field(default_factory=dict)
    input_rows: dict[str, int] = field(default_factory=dict)
    output_version: int | None = None
    error_counts: dict[str, int] = field(default_factory=dict)
    error_detail: str | None = None
    search_plan: str | None = None
    search_recall: float | None = None
    unseen_pairs: dict[str, int] = field(default_factory=dict)
    audit_values: dict[str, float] | None = None

"""What a stage is, and how one is run: read, build, check the contract, write, record."""

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
class Stage:
    """One step of the pipeline: it builds one table from others.

    Attributes:
        builds: the table it builds.
        reads: names of the inputs that `build` uses.
        build: pure function (inputs, run) -> rows of the table; it neither reads nor writes tables.
        is_published: people query the table, so it changes only after all stages and audits of a run.
        is_journal: of the published tables it is committed first, so that a run that is killed in between leaves it
            ahead of them and never behind.
        is_transient: the table lives in the staging area alone, for the stages that follow.
        is_staged: rows are written to the staging area first. False only where `build` merely filters and joins what
            is stored already, so that running it twice costs little and gives the same.
        within: an input that names the keys the build is about; rows of other keys are left as they are, whoever has
            written them. None where it is about all.
    """

    builds: Table
    reads: tuple[str, ...]
    build: Callable[[Inputs, Run], DataFrame]
    is_published: bool = False
    is_journal: bool = False
    is_transient: bool = False
    is_staged: bool = True
    within: str | None = None

    @property
    def name(self) -> str:
        """The table's name is the stage's."""
        return self.builds.name


@dataclass(frozen=True)
class Loop:
    """Stages that are run again and again, in batches, until the first of them yields no rows."""

    stages: tuple[Stage, ...]


@dataclass
class StageRecord:
    """What a stage did in this run: a row of `runs`."""

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
    audit_values: dict[str, float] | None = None

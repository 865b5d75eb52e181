"""`ndvr decide`: records, lists and withdraws decisions about videos, which every later run obeys."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated

import typer
from pyspark.sql import functions as F

from jobs.clustering.decisions import (
    Decision,
    decisions_in_force,
    find_contradictions,
    make_decision,
    read_decisions,
)
from jobs.clustering.verdict_files import shorten
from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.contracts.times import as_utc_text
from jobs.errors import ContractError, UsageError
from jobs.lake.location import absolute
from jobs.lake.required_tables import require_tables
from jobs.lake.row_times import choose_time
from jobs.tables import decisions, manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_LISTED = ("left_id", "right_id", "verdict", "decided_by", "decided_at", "note")
_EXAMPLES = (
    "ndvr decide --lake /data/lake A B not_duplicate --by ann",
    "ndvr decide --lake /data/lake A B part --by ann",
    "ndvr decide --lake /data/lake A keep_this --by ann",
    "ndvr decide --lake /data/lake --file decisions.csv --by ann",
    "ndvr decide --lake /data/lake A B --withdraw --by ann",
    "ndvr decide --lake /data/lake --list",
)


@app.command(cls=Command, epilog=show_examples(*_EXAMPLES))
def decide(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    what: Annotated[
        list[str] | None,
        typer.Argument(help="A B duplicate (or not_duplicate, part), or A keep_this; with --withdraw only the videos."),
    ] = None,
    *,
    by: Annotated[str | None, typer.Option(help="Name of the person who decides.")] = None,
    note: Annotated[str | None, typer.Option(help="Reason for the decision.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="File of decisions: CSV or JSON lines with left_id, right_id, verdict, note.")
    ] = None,
    is_withdrawn: Annotated[bool, typer.Option("--withdraw", help="Withdraw a decision.")] = False,
    is_listed: Annotated[bool, typer.Option("--list", help="Print the decisions in force.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: a line for each decision with --list, otherwise one object.")
    ] = False,
) -> None:
    """Decide that two videos are duplicates, are not, or share only a part, or which video is kept.

    `part` says that the two share footage, but neither is a copy of the other: they are never in one cluster.
    The next nightly run and every later one obey. All decisions of a call are written, or none: the videos must be in
    the manifest, and the decisions must not contradict each other or earlier ones. The table `decisions` also keeps
    earlier decisions.

    Exit codes: 0 success; 2 invalid usage, an unknown video, or a contradiction.
    """
    from jobs.commands.open_lake import open_lake

    words = what or []
    if [bool(words), file is not None, is_listed].count(True) != 1:
        raise UsageError("pass one of: videos and a verdict, --file, --list")
    if is_listed:
        list_decisions(open_lake(absolute(lake)), as_json=as_json)
        return
    if not by or not by.strip():
        raise UsageError("pass the name of the person who decides: --by NAME")
    if is_withdrawn and file is not None:
        raise UsageError("--withdraw withdraws one decision: pass its videos, not --file")
    if is_withdrawn:
        decision = withdraw(open_lake(absolute(lake)), words, by, note)
        result: dict[str, object] = {"withdrawn": decision._asdict()}
        text = f"withdrawn: {decision}"
    else:
        given = read_decisions(file) if file is not None else [_read_words(words, note)]
        num_written = record_decisions(open_lake(absolute(lake)), given, by)
        result = {"num_written": num_written, "num_held": len(given) - num_written}
        text = f"{num_written} written, {len(given) - num_written} already in force"
    sys.stdout.write((json.dumps(result, ensure_ascii=False) if as_json else text) + "\n")


def record_decisions(lake: Lake, given: Sequence[Decision], by: str) -> int:
    """Write the decisions that are not yet in force; return their number. Runs on: driver, with all decisions.

    Raises:
        UsageError: a video is not in the manifest, or decisions contradict each other; nothing is written.
    """
    _check_that_videos_are_known(lake, {video_id for decision in given for video_id in decision.subject})
    held = read_decisions_in_force(lake)
    after = {decision.subject: decision for decision in (*held.values(), *given)}
    if contradictions := find_contradictions(after.values()):
        conflicts = shorten([f"  {decision}" for decision in contradictions])
        raise UsageError(
            "nothing was written: other decisions make these videos duplicates; withdraw those decisions or these\n"
            + "\n".join(conflicts)
        )
    new = [one for one in given if one.subject not in held or held[one.subject].verdict != one.verdict]
    _write(lake, new, by, is_withdrawn=False)
    return len(new)


def withdraw(lake: Lake, video_ids: Sequence[str], by: str, note: str | None) -> Decision:
    """Withdraw the decision about one or two videos and return it. Runs on: driver.

    Raises:
        UsageError: no decision about them is in force.
    """
    held = read_decisions_in_force(lake)
    decision = held.get((min(video_ids), max(video_ids))) if len(video_ids) in {1, 2} else None
    if decision is None:
        raise UsageError(
            f"no decision about {' and '.join(video_ids)} is in force; ndvr decide --list prints the decisions in force"
        )
    _write(lake, [decision._replace(note=note)], by, is_withdrawn=True)
    return decision


def list_decisions(lake: Lake, *, as_json: bool) -> None:
    """Print the decisions in force, sorted by their videos. Runs on: driver."""
    from jobs.commands.printing import print_rows

    lake.create(decisions.TABLE)
    held = decisions_in_force(lake.read("decisions"))
    rows = (
        held.withColumn("decided_at", as_utc_text(F.col("decided_at")))
        .select(*_LISTED)
        .sort("left_id", "right_id")
        .collect()
    )
    if not as_json:
        print_rows(_LISTED, rows)
        return
    for row in rows:
        sys.stdout.write(json.dumps(row.asDict(), ensure_ascii=False) + "\n")


def read_decisions_in_force(lake: Lake) -> dict[tuple[str, str], Decision]:
    """Read the decisions in force, by their videos. Runs on: driver."""
    lake.create(decisions.TABLE)
    rows = decisions_in_force(lake.read("decisions")).select("left_id", "right_id", "verdict", "note").collect()
    return {(row["left_id"], row["right_id"]): Decision(*row) for row in rows}


def _read_words(words: Sequence[str], note: str | None) -> Decision:
    """Make a decision from the words of the command line: videos, then the verdict."""
    try:
        return make_decision(words[:-1], words[-1], note)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check_that_videos_are_known(lake: Lake, video_ids: Iterable[str]) -> None:
    """Raise UsageError if a video_id is not in the manifest, or the manifest is missing."""
    require_tables(lake, manifest.TABLE)
    asked = lake.spark.createDataFrame([(video_id,) for video_id in video_ids], "video_id STRING")
    unknown = asked.join(lake.read("manifest"), "video_id", "left_anti").sort("video_id").collect()
    if unknown:
        listed = shorten([f"  {row['video_id']}" for row in unknown])
        raise UsageError("nothing was written: these videos are not in the manifest\n" + "\n".join(listed))


def _write(lake: Lake, rows: Sequence[Decision], by: str, *, is_withdrawn: bool) -> None:
    """Append rows in one commit, dated after all existing rows."""
    if not rows:
        return
    decided_at = choose_time(lake, decisions.TABLE, "decided_at")
    values = [(row.left_id, row.right_id, row.verdict, is_withdrawn, by.strip(), decided_at, row.note) for row in rows]
    try:
        lake.append(decisions.TABLE, lake.spark.createDataFrame(values, decisions.TABLE.schema))
    except ContractError as error:
        if "verdict_is_known" not in str(error):
            raise
        raise UsageError(
            f"nothing was written: an earlier version made the table decisions in {lake.root!r}, without the verdict "
            f"part; run `ndvr upgrade --lake {lake.root}`"
        ) from error


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

"""Records what people decide about videos, for every later run to obey; lists decisions and takes them back."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
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
    shorten,
)
from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.tables import decisions, manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_LISTED = ("left_id", "right_id", "verdict", "decided_by", "decided_at", "note")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr decide --lake /data/lake A B not_duplicate --by ann",
        "ndvr decide --lake /data/lake A keep_this --by ann",
        "ndvr decide --lake /data/lake --file decisions.csv --by ann",
        "ndvr decide --lake /data/lake A B --withdraw --by ann",
        "ndvr decide --lake /data/lake --list",
    ),
)
def decide(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    what: Annotated[
        list[str] | None,
        typer.Argument(help="A B duplicate, A B not_duplicate, or A keep_this; only the videos with --withdraw."),
    ] = None,
    *,
    by: Annotated[str | None, typer.Option(help="Who decides.")] = None,
    note: Annotated[str | None, typer.Option(help="Why.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Decisions: CSV or JSON lines of left_id, right_id, verdict, note.")
    ] = None,
    is_withdrawn: Annotated[bool, typer.Option("--withdraw", help="Take back what was decided.")] = False,
    is_listed: Annotated[bool, typer.Option("--list", help="Print the decisions that hold.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: a line for each decision listed, else one object.")
    ] = False,
) -> None:
    """Decide that two videos are duplicates or are not, or which video is kept.

    The next nightly run obeys, and every later one. Nothing is written unless all of it can be: videos must be in the
    manifest, and no two videos may be told apart that other decisions hold together. The table `decisions` keeps what
    was decided before.

    Exit codes: 0 done; 2 bad usage, an unknown video or a contradiction.
    """
    from jobs.commands.open_lake import open_lake

    words = what or []
    if [bool(words), file is not None, is_listed].count(True) != 1:
        raise UsageError("give one of: videos and a verdict, --file, --list")
    if is_listed:
        list_decisions(open_lake(absolute(lake)), as_json=as_json)
        return
    if not by or not by.strip():
        raise UsageError("say who decides: --by NAME")
    if is_withdrawn:
        if file is not None:
            raise UsageError("--withdraw takes back one decision: give its videos, not --file")
        decision = withdraw(open_lake(absolute(lake)), words, by, note)
        told: dict[str, object] = {"withdrawn": decision._asdict()}
        text = f"taken back: {decision}"
    else:
        given = read_decisions(file) if file is not None else [_read_words(words, note)]
        num_written = record_decisions(open_lake(absolute(lake)), given, by)
        told = {"num_written": num_written, "num_held": len(given) - num_written}
        text = f"{num_written} written, {len(given) - num_written} held already"
    sys.stdout.write((json.dumps(told, ensure_ascii=False) if as_json else text) + "\n")


def record_decisions(lake: Lake, given: Sequence[Decision], by: str) -> int:
    """Write decisions that do not hold already; return how many. Runs on: driver, which holds all decisions.

    Raises:
        UsageError: a video is not in the manifest, or decisions contradict each other; nothing is written.
    """
    _check_that_videos_are_known(lake, {video_id for decision in given for video_id in decision.subject})
    held = read_held(lake)
    after = {decision.subject: decision for decision in (*held.values(), *given)}
    if contradictions := find_contradictions(after.values()):
        faults = shorten([f"  {decision}" for decision in contradictions])
        raise UsageError(
            "nothing was written: other decisions hold these videos together as duplicates; withdraw those first, or "
            "these\n" + "\n".join(faults)
        )
    new = [one for one in given if one.subject not in held or held[one.subject].verdict != one.verdict]
    _write(lake, new, by, is_withdrawn=False)
    return len(new)


def withdraw(lake: Lake, video_ids: Sequence[str], by: str, note: str | None) -> Decision:
    """Take back the decision about one or two videos and return it. Runs on: driver.

    Raises:
        UsageError: nothing is decided about them.
    """
    held = read_held(lake)
    decision = held.get((min(video_ids), max(video_ids))) if len(video_ids) in {1, 2} else None
    if decision is None:
        raise UsageError(f"nothing is decided about {' and '.join(video_ids)}; ndvr decide --list shows what is")
    _write(lake, [decision._replace(note=note)], by, is_withdrawn=True)
    return decision


def list_decisions(lake: Lake, *, as_json: bool) -> None:
    """Print the decisions that hold, sorted by their videos. Runs on: driver."""
    from jobs.commands.printing import print_rows

    lake.create(decisions.TABLE)
    held = decisions_in_force(lake.read("decisions"))
    in_utc = F.date_format("decided_at", "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX")
    rows = held.withColumn("decided_at", in_utc).select(*_LISTED).sort("left_id", "right_id").collect()
    if not as_json:
        print_rows(_LISTED, rows)
        return
    for row in rows:
        sys.stdout.write(json.dumps(row.asDict(), ensure_ascii=False) + "\n")


def read_held(lake: Lake) -> dict[tuple[str, str], Decision]:
    """Read the decisions that hold, by what they are about. Runs on: driver."""
    lake.create(decisions.TABLE)
    rows = decisions_in_force(lake.read("decisions")).select("left_id", "right_id", "verdict", "note").collect()
    return {(row["left_id"], row["right_id"]): Decision(*row) for row in rows}


def _read_words(words: Sequence[str], note: str | None) -> Decision:
    """Make a decision of the command line: videos, then the verdict."""
    try:
        return make_decision(words[:-1], words[-1], note)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check_that_videos_are_known(lake: Lake, video_ids: Iterable[str]) -> None:
    """Hold video_ids to the manifest."""
    if not lake.exists(manifest.TABLE):
        raise UsageError(f"no table manifest in {lake.root!r}; give --lake the folder of a nightly run")
    asked = lake.spark.createDataFrame([(video_id,) for video_id in video_ids], "video_id STRING")
    unknown = asked.join(lake.read("manifest"), "video_id", "left_anti").sort("video_id").collect()
    if unknown:
        faults = shorten([f"  {row['video_id']}" for row in unknown])
        raise UsageError("nothing was written: no such video in the manifest\n" + "\n".join(faults))


def _write(lake: Lake, rows: Sequence[Decision], by: str, *, is_withdrawn: bool) -> None:
    """Append rows in one commit, dated after all that are there: the newest holds, whatever the clocks say."""
    if not rows:
        return
    newest = lake.read("decisions").agg(F.unix_micros(F.max("decided_at")).alias("micros")).collect()[0]["micros"]
    earliest = _EPOCH if newest is None else _EPOCH + timedelta(microseconds=newest + 1)
    decided_at = max(datetime.now(UTC), earliest)
    values = [(row.left_id, row.right_id, row.verdict, is_withdrawn, by.strip(), decided_at, row.note) for row in rows]
    lake.append(decisions.TABLE, lake.spark.createDataFrame(values, decisions.TABLE.schema))


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

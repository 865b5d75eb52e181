"""`ndvr quarantine`: list the videos in quarantine, or release some so that the next run tries them again."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pyspark.sql import functions as F

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.contracts.times import as_utc_text
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.lake.required_tables import require_tables
from jobs.tables import quarantine as table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, Row

    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_LISTED = ("video_id", "error_code", "attempts", "next_retry_at", "last_tried_at", "uri", "error_detail")
_MAX_NAMED = 10


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr quarantine --lake /data/lake --code CORRUPT --json",
        "ndvr quarantine --lake /data/lake --release-code NOT_FOUND",
    ),
)
def quarantine(
    lake: options.LakeOption,
    *,
    code: Annotated[list[str] | None, typer.Option(help="List only this error code; may be repeated.")] = None,
    release: Annotated[
        list[str] | None, typer.Option(help="Retry this video_id in the next run; may be repeated.")
    ] = None,
    release_code: Annotated[
        list[str] | None, typer.Option(help="Retry all videos with this error code in the next run; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """List the videos that could not be described, or release them for the next run.

    A run retries a quarantined video after a wait that doubles with each attempt, up to `quarantine.max_attempts`.
    `next_retry_at` is empty for videos that are not retried any more. Releasing a video resets its attempts. Videos
    may be released while a run is active.

    Exit codes: 0 success; 2 invalid usage, or a video that is not in quarantine (then none is released).
    """
    from jobs.commands.open_lake import open_lake

    if release or release_code:
        if code:
            raise UsageError("--code filters the list; to release by error code, pass --release-code")
        opened = open_lake(absolute(lake))
        _print_rows(release_videos(opened, release or (), release_code or ()), as_json=as_json)
        return
    _print_rows(list_quarantine(open_lake(absolute(lake)), code or ()), as_json=as_json)


def list_quarantine(lake: Lake, codes: Sequence[str] = ()) -> list[Row]:
    """Return the rows of the quarantine, or those of some error codes, sorted by code and video_id. Runs on: driver.

    Times are ISO 8601 text in UTC.
    """
    return _collect(lake, F.col("error_code").isin(*codes) if codes else F.lit(True))


def release_videos(lake: Lake, video_ids: Sequence[str], codes: Sequence[str] = ()) -> list[Row]:
    """Make videos due in the next run and reset their attempts; return their rows. Runs on: driver.

    An active run neither overwrites the release nor acts on it.

    Raises:
        UsageError: a video_id or an error code is not in quarantine; nothing is released.
        ContractError: the table has the checks of an older version of ndvr.
    """
    held = list_quarantine(lake)
    missing = [v for v in dict.fromkeys(video_ids) if v not in {row["video_id"] for row in held}]
    missing += [c for c in dict.fromkeys(codes) if c not in {row["error_code"] for row in held}]
    if missing:
        more = f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
        raise UsageError(f"nothing was released; not in quarantine: {', '.join(missing[:_MAX_NAMED])}{more}")
    is_named = F.col("video_id").isin(*video_ids) | F.col("error_code").isin(*codes)
    lake.update(table.TABLE, is_named, {"next_retry_at": F.lit(datetime.now(UTC)), "attempts": F.lit(0)})
    return _collect(lake, is_named)


def _collect(lake: Lake, condition: Column) -> list[Row]:
    """Return the rows that meet a condition, with times as text."""
    require_tables(lake, table.TABLE)
    in_utc = {name: as_utc_text(F.col(name)) for name in ("next_retry_at", "last_tried_at")}
    rows = lake.read("quarantine").where(condition).withColumns(in_utc)
    return rows.select(*_LISTED).sort("error_code", "video_id").collect()


def _print_rows(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print rows as a table or as JSON lines."""
    from jobs.commands.printing import print_rows

    if not as_json:
        print_rows(_LISTED, rows)
        return
    for row in rows:
        sys.stdout.write(json.dumps(row.asDict(), ensure_ascii=False) + "\n")


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

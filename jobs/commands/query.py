"""`ndvr query`: checks whether one video is a near-duplicate of a video in the lake."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as TextTable

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.lake.location import absolute
from udfs.opening.roots import split_uri

if TYPE_CHECKING:
    from jobs.one_video.answer import Answer, Match

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
DUPLICATE_EXIT_CODE = 10


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr query --lake /data/lake upload.mp4",
        "ndvr query --lake /data/lake --json s3://bucket/incoming/upload.mp4",
    ),
)
def query(
    video: Annotated[str, typer.Argument(help="Path or URI of a video.")],
    lake: options.IndexedLakeOption,
    config: options.IndexedConfigOption = None,
    video_id: Annotated[
        str | None, typer.Option(help="Id that the video has or will have; the video is not compared with itself.")
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="Number of matches to print, the most probable first.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check whether the lake already has a video's footage, and print the original.

    The video is described as in a nightly run, searched in the index that the nightly job publishes, and compared by
    the model's threshold. Spark is not started. If a video of the lake has an identical file, `exact_match` names it.

    Exit codes: 0 not a duplicate; 10 duplicate; 2 invalid usage, or no index; 3 the index does not match the settings
    or the model; 5 the video cannot be read.
    """
    from jobs.one_video.checker import Checker

    settings = None if config is None else load_config(config)
    with Checker(absolute(lake), settings, roots=_roots_of(video)) as checker:
        answer = checker.check(video, video_id)
    if as_json:
        shown = answer.to_dict() | {"matches": answer.to_dict()["matches"][:top]}
        sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n")
    else:
        _print(answer, answer.matches[:top])
    if answer.is_duplicate:
        raise typer.Exit(DUPLICATE_EXIT_CODE)


def _roots_of(video: str) -> tuple[str, ...]:
    """Return the roots that the user of the command may read: any local file, and the folder of a remote video."""
    split = split_uri(video)
    return ("/",) if split is None or split.is_local else ("/", video.rpartition("/")[0])


def _print(answer: Answer, matches: tuple[Match, ...]) -> None:
    """Print an answer as text."""
    console = Console()
    if answer.is_duplicate:
        original = escape(str(answer.original))
        console.print(f"[bold red]duplicate[/] of {original}, probability {answer.match_probability:.3f}")
    else:
        best = f"; the best match has probability {answer.match_probability:.3f}" if answer.matches else ""
        console.print(f"[bold green]no duplicate[/]{best}")
    if answer.exact_match is not None:
        console.print(f"exact match: the file is identical to that of {escape(answer.exact_match)}")
    if matches:
        console.print(_tabulate(matches))
    console.print(
        f"{answer.num_compared} videos compared in {answer.seconds:.2f} s; threshold {answer.min_match_probability:g}; "
        f"index {answer.index_version}, model {answer.model_id}",
        style="dim",
    )


def _tabulate(matches: tuple[Match, ...]) -> TextTable:
    """Make a table with one line for each match."""
    table = TextTable()
    for heading in ("", "video", "kept", "relation", "probability", "cosine", "aligned", "here", "there"):
        table.add_column(heading, justify="right" if heading in {"probability", "cosine", "aligned"} else "left")
    for match in matches:
        table.add_row(
            "=" if match.is_duplicate else "",
            match.video_id,
            match.keeper_id or "",
            "identical" if match.is_exact else match.relation,
            *(
                f"{value:.3f}"
                for value in (match.match_probability, match.cosine_similarity, match.alignment_similarity)
            ),
            f"{match.start_seconds:.1f} to {match.end_seconds:.1f} s ({match.coverage:.0%})",
            f"{match.match_start_seconds:.1f} to {match.match_end_seconds:.1f} s ({match.match_coverage:.0%})",
        )
    return table


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)

"""The one-video check on the command line: is this video a near-duplicate of one that the lake knows?"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
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
    video: Annotated[str, typer.Argument(help="A video: a path or URI.")],
    lake: options.IndexedLakeOption,
    config: options.IndexedConfigOption = None,
    video_id: Annotated[
        str | None, typer.Option(help="The id that the video has or will have; it is not held against itself.")
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many of the matches are told, the surest first.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether the lake has a video's footage already, and which video to point at.

    The video is described as a night would describe it, looked for in the index that the nightly job publishes, and
    judged by the model's threshold. Spark is not started.

    Exit codes: 0 no duplicate; 10 duplicate; 2 bad usage, or no index there; 3 index and model do not belong together;
    5 the video cannot be read.
    """
    from jobs.one_video.checker import Checker

    settings = None if config is None else load_config(config)
    with Checker(absolute(lake), settings, roots=_roots_of(video)) as checker:
        answer = checker.check(video, video_id)
    if as_json:
        told = answer.to_dict() | {"matches": answer.to_dict()["matches"][:top]}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        _print(answer, answer.matches[:top])
    if answer.is_duplicate:
        raise typer.Exit(DUPLICATE_EXIT_CODE)


def _roots_of(video: str) -> tuple[str, ...]:
    """Allow what whoever types the command can name: any local file, and the folder of a remote one."""
    split = split_uri(video)
    return ("/",) if split is None or split.is_local else ("/", video.rpartition("/")[0])


def _print(answer: Answer, matches: tuple[Match, ...]) -> None:
    """Print an answer for people."""
    console = Console()
    if answer.is_duplicate:
        console.print(f"[bold red]duplicate[/] of {answer.original}, probability {answer.match_probability:.3f}")
    else:
        surest = f"; the surest match has probability {answer.match_probability:.3f}" if answer.matches else ""
        console.print(f"[bold green]no duplicate[/]{surest}")
    if matches:
        console.print(_tabulate(matches))
    console.print(
        f"{answer.num_compared} videos compared in {answer.seconds:.2f} s; threshold {answer.min_match_probability:g}; "
        f"index {answer.index_version}, model {answer.model_id}",
        style="dim",
    )


def _tabulate(matches: tuple[Match, ...]) -> TextTable:
    """Make a line of each match."""
    table = TextTable()
    for heading in ("", "video", "kept", "relation", "probability", "cosine", "aligned", "here", "there"):
        table.add_column(heading, justify="right" if heading in {"probability", "cosine", "aligned"} else "left")
    for match in matches:
        table.add_row(
            "=" if match.is_duplicate else "",
            match.video_id,
            match.keeper_id or "",
            match.relation,
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

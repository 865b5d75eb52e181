"""`ndvr sample`: draws pairs for people to judge, from which `ndvr estimate` computes precision and recall."""

from __future__ import annotations

import json
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.errors import UsageError
from jobs.estimation.strata import MIN_PAIRS
from jobs.lake.location import absolute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.estimation.drawing import Sample
    from jobs.estimation.published import PublishedRun
    from jobs.estimation.strata import Stratum
    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_LIST_FILE, _PAGE = "pairs.csv", "queue.html"
DEFAULT_PAIRS, DEFAULT_VIDEOS = 100, 200


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr sample --lake /data/lake --out /data/sample",
        "ndvr sample --lake /data/lake --pairs 150 --out /data/sample",
    ),
)
def sample(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    out: Annotated[Path, typer.Option(help="Folder for the pages and the list of pairs; an earlier one is replaced.")],
    *,
    pairs: Annotated[int, typer.Option(min=MIN_PAIRS, help="Pairs to draw.")] = DEFAULT_PAIRS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    videos: Annotated[
        int, typer.Option(min=1, help="Videos that are searched again for rejected candidates, chosen by the seed.")
    ] = DEFAULT_VIDEOS,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings.", show_default="those of the newest published run")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object: the sample and its strata.")] = False,
) -> None:
    """Draw a random sample of pairs for people to judge, without showing them what ndvr found.

    The sample has published pairs, duplicates without a pair, and candidates that were rejected, some of them just
    below the threshold. Pairs that were answered in an earlier sample are not shown again; their answers count.
    Rejected candidates are not stored, so some videos are searched again. This costs as much as a night with that
    number of new videos.

    The folder gets pages to answer with, and the same pairs as pairs.csv. `ndvr estimate --answers` reads the answers.

    Exit codes: 0 success; 2 invalid usage, or no published run.
    """
    from jobs.commands.open_lake import open_lake
    from jobs.commands.report import prepare_folder
    from jobs.estimation.published import read_published_run

    settings = None if config is None else load_config(config)
    _refuse_answers(out)
    opened = open_lake(absolute(lake), None if settings is None else settings.spark)
    run = read_published_run(opened, settings)
    prepare_folder(out, "sample")
    started = time.monotonic()
    drawn = draw(opened, run, pairs, videos, seed)
    seconds = time.monotonic() - started
    num_open = write_pages(opened, run, drawn, lake, out)
    _print(drawn, num_open, seconds, out, lake, as_json=as_json)


def _refuse_answers(folder: Path) -> None:
    """Raise UsageError if the folder has a list with answers, which a new sample would replace."""
    from jobs.estimation.answer_files import read_answers

    file = folder / _LIST_FILE
    if file.is_file() and read_answers(file):
        raise UsageError(
            f"{str(file)!r} has answers: import them with ndvr estimate --answers, then move the file, or pass another "
            "--out"
        )


def draw(lake: Lake, run: PublishedRun, num_pairs: int, num_videos: int, seed: int) -> Sample:
    """Draw a sample and write it to the table `samples`. Runs on: driver; search and verification on executors.

    Raises:
        UsageError: nothing is published.
    """
    from jobs.estimation.drawing import Draw, draw_sample, write_sample

    wanted = Draw(
        run.model.model_id, run.run_id, run.min_probability, run.verifier, run.config, num_pairs, num_videos, seed
    )
    drawn = draw_sample(lake, wanted, datetime.now(UTC))
    write_sample(lake, drawn)
    return drawn


def write_pages(lake: Lake, run: PublishedRun, drawn: Sample, lake_uri: str, folder: Path) -> int:
    """Write the blind page and the list of the pairs without an answer; return their number.

    Runs on: driver; pictures on executors.
    """
    from jobs.estimation.answer_files import write_list
    from jobs.estimation.recording import list_unanswered
    from jobs.review.queue import make_queue
    from jobs.review.report_data import QueueFacts

    rows, uris = list_unanswered(lake, drawn.rows)
    write_list(rows, uris, folder / _LIST_FILE)
    file_name = f"answers-{drawn.sample_id}.jsonl"
    facts = QueueFacts(
        title="Sample for precision and recall",
        key=drawn.sample_id,
        file_name=file_name,
        command=_write_command(lake_uri, file_name),
        note="",
        is_blind=True,
        sample_id=drawn.sample_id,
    )
    shown = [(row["left_id"], row["right_id"]) for row in rows]
    if shown:
        make_queue(lake, shown, facts, run.model.model_id, run.config, folder)
    return len(rows)


def _write_command(lake: str, file: str) -> str:
    """Return the command that reads the answers."""
    return f"ndvr estimate --lake {shlex.quote(lake)} --answers {shlex.quote(file)} --by YOUR_NAME"


def _print(drawn: Sample, num_open: int, seconds: float, out: Path, lake: str, *, as_json: bool) -> None:
    """Print the strata of a sample, its cost, and the next command."""
    if as_json:
        strata = [
            {"stratum": stratum.name, "num_pairs": stratum.num_pairs, "num_drawn": stratum.num_drawn}
            for stratum in drawn.strata
        ]
        facts = {
            "sample_id": drawn.sample_id,
            "num_pairs": len(drawn.rows),
            "num_unanswered": num_open,
            "num_videos": drawn.num_videos,
            "num_searched": drawn.num_searched,
            "seconds": round(seconds, 1),
            "strata": strata,
            "folder": str(out),
        }
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
        return
    sys.stdout.write(f"sample {drawn.sample_id}: {len(drawn.rows)} pairs, {num_open} of them without an answer\n")
    sys.stdout.write(_describe_cost(drawn, seconds) + "\n")
    _print_strata(drawn.strata)
    if not num_open:
        sys.stdout.write(
            f"all pairs have an answer: ndvr estimate --lake {shlex.quote(lake)} --sample {drawn.sample_id}\n"
        )
        return
    sys.stdout.write(f"answer in {out / _PAGE}, or fill in the column verdict of {out / _LIST_FILE}, and then run\n")
    sys.stdout.write(f"  {_write_command(lake, str(out / _LIST_FILE))}\n")


def _print_strata(strata: Sequence[Stratum]) -> None:
    """Print the strata as a table."""
    from jobs.commands.printing import print_rows

    rows = [(stratum.name, stratum.num_pairs, stratum.num_drawn) for stratum in strata]
    print_rows(("stratum", "pairs", "drawn"), rows)


def _describe_cost(drawn: Sample, seconds: float) -> str:
    """Return a line about the search for rejected candidates."""
    if not drawn.num_videos:
        return f"no rejected candidates: this model has no verifier, so recall is not measured; {seconds:.0f} s"
    searched = f"{drawn.num_searched} of {drawn.num_videos} videos"
    return f"{searched} were searched again for rejected candidates: {seconds:.0f} s"


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

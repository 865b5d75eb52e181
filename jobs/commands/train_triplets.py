"""Trains an embedding model on edited copies of a lake's own videos, and writes it as an artefact."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import Annotated

import typer
from rich.console import Console

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.commands.open_lake import open_lake
from jobs.config.loading import load_config
from jobs.config.settings import Objective  # noqa: TC001 - typer reads it when the program runs
from jobs.contracts.progress import show_bar
from jobs.evaluation.truth import load_truth
from jobs.lake.location import absolute
from jobs.training.augmentations import choose_videos, describe_training_views
from jobs.training.heads import TrainedHead, train_model
from jobs.training.plots import draw_training
from models.artefact import CARD_FILE, write_artefact

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr train-triplets --lake /data/lake --out /data/models/mine",
    ),
)
def train_triplets(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    out: Annotated[Path, typer.Option(help="Folder for the model; views and checkpoints go to OUT/work.")],
    config: Annotated[Path | None, typer.Option(help="YAML file of settings; its section `training` counts.")] = None,
    where: Annotated[str, typer.Option(help="SQL condition on the manifest: train on these videos alone.")] = "true",
    labels: Annotated[Path | None, typer.Option(help="CSV or Parquet of pairs known to be copies.")] = None,
    objective: Annotated[Objective | None, typer.Option(help="What is learnt.", show_default="the config's")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the model's card, which is JSON.")] = False,
) -> None:
    """Train a model on edited copies of a lake's own videos: deep metric learning.

    Its figures come from footage held out by its source. Calibrate it next (ndvr calibrate), then name its folder as
    embeddings.artefact_dir. Views and epochs are kept: started again, it goes on from there.

    Exit codes: 0 done; 2 bad usage.
    """
    settings = load_config(config)
    if objective is not None:
        changed = settings.training.model_copy(update={"objective": objective})
        settings = settings.model_copy(update={"training": changed})
    opened = open_lake(absolute(lake))
    labelled = _read_copies(labels) if labels else []
    videos = choose_videos(opened, where, settings.training, labelled)
    console, work = Console(stderr=True), (out / "work").absolute()
    with show_bar(console, "views of videos") as tell:
        views = describe_training_views(opened.spark, videos, settings, work, tell)
    with show_bar(console, "epochs") as tell:
        learnt = train_model(views, labelled, settings, work, tell)
    write_artefact(out, learnt.pack(settings, where))
    draw_training(learnt.history, out / "training.png", settings.training.objective)
    _tell_result(console, learnt, out)
    if as_json:
        sys.stdout.write((out / CARD_FILE).read_text(encoding="utf-8").rstrip() + "\n")


def _read_copies(labels: Path) -> list[tuple[str, str]]:
    """Return the pairs of a truth file that are copies."""
    pairs = load_truth(labels).pairs
    if pairs is None:
        return []
    copies = pairs[pairs["relation"] == "copy"]
    return sorted(set(zip(copies["left_id"], copies["right_id"], strict=True)))


def _tell_result(console: Console, learnt: TrainedHead, out: Path) -> None:
    """Say how the best epoch compares with the head before training."""
    first, best = learnt.history[0], learnt.best
    console.print(
        f"epoch {best.number} of {len(learnt.history) - 1} is the best: average precision {best.average_precision:.4f} "
        f"on footage held out, {first.average_precision:.4f} before training; the model is in {out}"
    )


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

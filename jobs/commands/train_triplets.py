"""Train an embedding model on edited copies of a lake's videos, and write it as an artefact."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.commands.open_lake import open_lake
from jobs.config.loading import load_config
from jobs.config.training import Objective
from jobs.contracts.progress import show_bar
from jobs.evaluation.truth import load_truth
from jobs.lake.location import absolute
from jobs.training.augmentations import choose_videos, describe_augmented_videos
from jobs.training.heads import TrainedHead, train_model
from jobs.training.plots import draw_training
from jobs.training.takes import Takes, make_takes
from models.artefact import CARD_FILE, write_artefact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.training.augmentations import TrainingVideo

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr train-triplets --lake /data/lake --out /data/models/mine",
    ),
)
def train_triplets(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    out: Annotated[
        Path, typer.Option(help="Folder for the model; augmented frames and checkpoints are stored in OUT/work.")
    ],
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings; sections `training` and `describe`.")
    ] = None,
    where: Annotated[str, typer.Option(help="SQL condition on the manifest: use these videos only.")] = "true",
    labels: Annotated[
        Path | None, typer.Option(help="CSV or Parquet file with labelled pairs; copies are additional positives.")
    ] = None,
    objective: Annotated[
        Objective | None, typer.Option(help="Training objective.", show_default="training.objective of the settings")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the model's card, which is JSON.")] = False,
) -> None:
    """Train a model on edited copies of a lake's videos with deep metric learning.

    The model is evaluated on held-out sources. Then calibrate it with `ndvr calibrate`, and set embeddings.artefact_dir
    to its folder. Augmented frames and epochs are stored, so that an interrupted training resumes.

    Exit codes: 0 done; 2 bad usage.
    """
    settings = load_config(config)
    if objective is not None:
        changed = settings.training.model_copy(update={"objective": objective})
        settings = settings.model_copy(update={"training": changed})
    opened = open_lake(absolute(lake), settings.spark)
    labelled = _read_copies(labels) if labels else []
    videos = choose_videos(opened, where, settings.training, labelled)
    console, work = Console(stderr=True), (out / "work").absolute()
    with show_bar(console, "augmented videos") as on_progress:
        augmented = describe_augmented_videos(opened.spark, videos, settings, work, on_progress)
    takes = _describe_takes(opened, videos, settings, work, console)
    with show_bar(console, "epochs") as on_progress:
        trained = train_model(augmented, labelled, settings, work, on_progress, takes)
    write_artefact(out, trained.pack(settings, where))
    draw_training(trained.history, out / "training.png", settings.training.objective)
    _print_result(console, trained, takes, out)
    if as_json:
        sys.stdout.write((out / CARD_FILE).read_text(encoding="utf-8").rstrip() + "\n")


def _read_copies(labels: Path) -> list[tuple[str, str]]:
    """Return the pairs of a truth file that are copies."""
    pairs = load_truth(labels).pairs
    if pairs is None:
        return []
    copies = pairs[pairs["relation"] == "copy"]
    return sorted(set(zip(copies["left_id"], copies["right_id"], strict=True)))


def _describe_takes(
    lake: Lake, videos: Sequence[TrainingVideo], settings: Config, work: Path, console: Console
) -> Takes:
    """Describe takes of the training videos, if the objective uses them."""
    training = settings.training
    if training.objective is not Objective.TRIPLET or not training.take_share:
        return Takes.none()
    with show_bar(console, "videos cut into takes") as on_progress:
        return make_takes(lake.spark, [video for video in videos if not video.is_held_out], settings, work, on_progress)


def _print_result(console: Console, trained: TrainedHead, takes: Takes, out: Path) -> None:
    """Print the takes, and the average precision of the best epoch and of the head before training."""
    counts = trained.counts
    if "takes" in counts:
        console.print(
            f"{takes.describe()}: the negative of {counts['triplets_with_take']} of {counts['triplets']} triplets is "
            "another take"
        )
    first, best = trained.history[0], trained.best
    console.print(
        f"epoch {best.number} of {len(trained.history) - 1} is the best: average precision "
        f"{best.average_precision:.4f} on held-out footage, {first.average_precision:.4f} before training; the model "
        f"is in {out}"
    )


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

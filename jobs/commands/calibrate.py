"""Calibrate a model: find its operating threshold and its probability map, and write both to its card."""

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
from jobs.contracts.progress import show_bar
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.training.augmentations import choose_videos, describe_augmented_videos
from jobs.training.calibrate_model import calibrate_model, fit_model_verifier
from jobs.training.labelling import label_augmented_videos, label_videos
from models.artefact import CARD_FILE, remove_old_verifier
from models.embedding_models import find_model

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.training.augmentations import AugmentedVideos

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr calibrate --lake /data/lake --model /data/models/mine",
        "ndvr calibrate --lake /data/lake --model /data/models/mine --truth truth.csv",
    ),
)
def calibrate(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    model: Annotated[Path, typer.Option(help="Folder of the model; its card is rewritten.")],
    config: Annotated[Path | None, typer.Option(help="YAML file of settings, as for training.")] = None,
    where: Annotated[
        str, typer.Option(help="SQL condition on the manifest: use videos that the model was not trained on.")
    ] = "true",
    truth: Annotated[
        Path | None, typer.Option(help="File with labelled pairs.", show_default="generated edited copies")
    ] = None,
    target_precision: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Minimum fraction of copies among the pairs found.")
    ] = 0.99,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the model's card, which is JSON.")] = False,
) -> None:
    """Find a model's threshold and its map from similarity to probability, on videos it was not trained on.

    With --truth, also fit the verifier, which computes the probability of aligned pairs. The truth should also have
    partial copies and hard negatives. The command writes thresholds.csv, transforms.csv and calibration.png to the
    folder of the model.

    Exit codes: 0 done; 2 bad usage; 3 the truth breaks its contract.
    """
    settings = load_config(config)
    opened = open_lake(absolute(lake))
    if truth is not None and (model / CARD_FILE).is_file():
        remove_old_verifier(model)
    try:
        found = find_model("auto", settings.describe.backbone, settings.describe.descriptor_id, model)
    except ValueError as error:
        raise UsageError(f"--model: {error}") from error
    if truth is None:
        labelled = label_augmented_videos(_augment_videos(opened, settings, where, model), found)
    else:
        labelled = label_videos(opened, found, where, truth, settings)
    console = Console(stderr=True)
    console.print(calibrate_model(model, labelled, target_precision))
    if truth is not None and found.keeps_frames:
        console.print(fit_model_verifier(opened, model, truth, target_precision, settings, where))
    if as_json:
        sys.stdout.write((model / CARD_FILE).read_text(encoding="utf-8").rstrip() + "\n")


def _augment_videos(lake: Lake, settings: Config, where: str, model: Path) -> AugmentedVideos:
    """Describe edited copies of the videos of the calibration."""
    videos = choose_videos(lake, where, settings.training)
    with show_bar(Console(stderr=True), "augmented videos") as on_progress:
        return describe_augmented_videos(lake.spark, videos, settings, (model / "work").absolute(), on_progress)


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

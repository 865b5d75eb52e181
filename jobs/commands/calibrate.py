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
from jobs.evaluation.truth import load_truth
from jobs.lake.location import absolute
from jobs.training.augmentations import choose_videos, describe_augmented_videos, find_videos
from jobs.training.calibrate_decisions import calibrate_on_decisions
from jobs.training.calibrate_model import calibrate_model, fit_model_verifier, is_fitted_on_truth, measure_takes
from jobs.training.labelling import label_augmented_videos, label_videos
from jobs.training.takes import Takes, make_takes
from models.artefact import CARD_FILE, remove_old_verifier
from models.embedding_models import find_model
from udfs.describing.takes import MIN_SOURCE_SECONDS

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
        "ndvr calibrate --lake /data/lake --model /data/models/mine --decisions",
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
    from_decisions: Annotated[
        bool,
        typer.Option(
            "--decisions",
            help="Refit only the verifier's last step, on the decisions and answers of people in this lake.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the model's card, which is JSON.")] = False,
) -> None:
    """Find a model's threshold and its map from similarity to probability, on videos it was not trained on.

    Also fit the verifier, which computes the probability of aligned pairs: on the pairs of --truth, which should have
    partial copies, and on takes. Takes are parts of one video that share no footage, with edited copies of each. They
    are cut from the longest video of each source, if it lasts 9 seconds or more. The command writes thresholds.csv,
    transforms.csv and calibration.png to the folder of the model.

    With --decisions, the trees and the vectors of the model stay. The map from their sum to the probability is fitted
    again, with the model itself as prior. If --model is a new folder, the configured model is copied to it. The result
    is cross-validated by cluster, and refused if it is no better. Set embeddings.artefact_dir to use it.

    Exit codes: 0 done; 2 bad usage, or the result of --decisions is refused; 3 the truth breaks its contract.
    """
    settings = load_config(config)
    if from_decisions and truth is not None:
        raise UsageError("--decisions uses the decisions and answers of the lake: pass it without --truth")
    opened = open_lake(absolute(lake), settings.spark)
    if from_decisions:
        sys.stderr.write(calibrate_on_decisions(opened, model.absolute(), settings) + "\n")
    else:
        _calibrate_on_videos(opened, model, settings, where, truth, target_precision)
    if as_json:
        sys.stdout.write((model / CARD_FILE).read_text(encoding="utf-8").rstrip() + "\n")


def _calibrate_on_videos(
    opened: Lake, model: Path, settings: Config, where: str, truth: Path | None, target_precision: float
) -> None:
    """Calibrate a model on a truth or on generated edited copies, and fit its verifier."""
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
    takes = _make_takes(opened, settings, where, model, truth)
    if found.keeps_frames and truth is not None:
        console.print(fit_model_verifier(opened, model, truth, target_precision, settings, where, takes=takes))
    elif not takes.is_empty:
        console.print(_use_takes(opened, model, takes, target_precision, settings))
    if takes.is_empty:
        console.print(f"0 takes: no selected video that can be read lasts {MIN_SOURCE_SECONDS:.0f} seconds or more")


def _augment_videos(lake: Lake, settings: Config, where: str, model: Path) -> AugmentedVideos:
    """Describe edited copies of the videos of the calibration."""
    videos = choose_videos(lake, where, settings.training)
    with show_bar(Console(stderr=True), "augmented videos") as on_progress:
        return describe_augmented_videos(lake.spark, videos, settings, (model / "work").absolute(), on_progress)


def _make_takes(lake: Lake, settings: Config, where: str, model: Path, truth: Path | None) -> Takes:
    """Describe takes of the videos of the calibration. Pairs of the truth, ignored ones too, have one source."""
    known = None if truth is None else load_truth(truth).pairs
    listed = [] if known is None else list(zip(known["left_id"], known["right_id"], strict=True))
    videos = find_videos(lake, where, settings.training, listed)
    with show_bar(Console(stderr=True), "videos cut into takes") as on_progress:
        return make_takes(lake.spark, videos, settings, (model / "work").absolute(), on_progress)


def _use_takes(lake: Lake, model: Path, takes: Takes, target_precision: float, settings: Config) -> str:
    """Fit a verifier on takes, or measure the model on them if it has no frame vectors or a verifier from a truth."""
    found = find_model("auto", settings.describe.backbone, settings.describe.descriptor_id, model)
    if not found.keeps_frames or is_fitted_on_truth(model):
        return measure_takes(lake, model, takes, settings)
    try:
        return fit_model_verifier(lake, model, None, target_precision, settings, takes=takes)
    except UsageError as error:
        return f"no verifier is fitted on the takes: {error}\n{measure_takes(lake, model, takes, settings)}"


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

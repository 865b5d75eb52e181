"""`ndvr why`: explains why two videos are or are not in one cluster."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pyspark.sql import Row

from jobs.clustering.explanation import ClusterExplainer, Explanation
from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.lake.location import absolute
from jobs.lake.required_tables import require_tables
from jobs.review.verdict import choose_pair_verifier, describe_look, verify_two
from jobs.tables import clusters, decisions, manifest, pairs, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_COLUMNS = ("from", "to", "relation", "probability", "cosine", "aligned", "from seconds", "to seconds", "remark")


@app.command(cls=Command, epilog=show_examples("ndvr why --lake /data/lake A B"))
def why(
    left: Annotated[str, typer.Argument(help="A video_id.")],
    right: Annotated[str, typer.Argument(help="Another video_id.")],
    lake: options.LakeOption,
    model_id: Annotated[
        str | None, typer.Option(help="Model of the clusters.", show_default="the model in use")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings of the night.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain why two videos are or are not in one cluster.

    Prints the path of pairs between them with scores and segments: the shortest path, and among the shortest the most
    probable. If the videos are apart, prints the decision or the pair of the path that separates them. If no path
    connects them, verifies the two again and prints what was seen, such as "same place, different motion".

    Exit codes: 0 success; 2 invalid usage, or a video that is not in the manifest.
    """
    from jobs.commands.open_lake import open_lake

    settings = load_config(config)
    opened = open_lake(absolute(lake), settings.spark)
    answer = explain(opened, left, right, settings.clusters.relations, model_id)
    verifier = None if answer.path else choose_pair_verifier(answer.model_id, settings)
    verdict = None if verifier is None else verify_two(opened, left, right, answer.model_id, verifier, settings)
    if as_json:
        fields = asdict(answer) | {"verdict": None if verdict is None else asdict(verdict)}
        sys.stdout.write(json.dumps(fields, ensure_ascii=False) + "\n")
        return
    _print(answer)
    if verdict is not None:
        sys.stdout.write(f"verified again: {verdict.describe()}\n")
    elif verifier is not None:
        sys.stdout.write("verified again: no similar segments, or no frames that agree\n")
    elif not answer.path:
        sys.stdout.write("not verified again: the settings name another model, or one without a verifier\n")


def explain(lake: Lake, left: str, right: str, relations: tuple[str, ...], model_id: str | None = None) -> Explanation:
    """Find why two videos are or are not in one cluster. Runs on: driver.

    Raises:
        UsageError: a table is missing, no run has been published, or a video is not in the manifest.
    """
    require_tables(lake, manifest.TABLE, pairs.TABLE, clusters.TABLE, decisions.TABLE)
    return ClusterExplainer(lake, runs.choose_model(lake, model_id), relations).explain(left, right)


def _print(answer: Explanation) -> None:
    """Print an explanation as text."""
    from jobs.commands.printing import print_rows

    for video_id, at in ((answer.left_id, answer.left), (answer.right_id, answer.right)):
        where = f"cluster {at.cluster_id}, kept: {at.keeper_id} ({at.keeper_reason})" if at.cluster_id else "no cluster"
        sys.stdout.write(f"{video_id}: {where}\n")
    sys.stdout.write(f"{answer.because}\n")
    for row in answer.decided_apart:
        note = f": {row['note']}" if row["note"] else ""
        sys.stdout.write(f"{row['left_id']} {row['right_id']} {row['verdict']}, by {row['decided_by']}{note}\n")
    rows = []
    at_id = answer.left_id
    for number, step in enumerate(answer.path):
        is_forward = step["left_id"] == at_id
        rows.append(_as_row(step, is_forward=is_forward, is_parted=number in answer.parted_at))
        at_id = step["right_id" if is_forward else "left_id"]
    if rows:
        print_rows(_COLUMNS, rows)


def _as_row(step: Mapping[str, Any], *, is_forward: bool, is_parted: bool) -> Row:
    """Return a step of the path as table cells, in the direction of the path."""
    sides = ("left", "right") if is_forward else ("right", "left")
    decision = step["decision"]
    remarks = [f"duplicate, by {decision['decided_by']}"] if decision else []
    remarks += ["separated here"] if is_parted else []
    remarks += [seen] if (seen := describe_look(step["place_agreement"], step["change_agreement"])) else []
    cells: list[str | None] = [
        *(step[f"{side}_id"] for side in sides),
        step["relation"],
        *(None if step[name] is None else f"{step[name]:.3f}" for name in _SCORES),
        *(_as_segment(step, side) for side in sides),
        "; ".join(remarks),
    ]
    return Row(*cells)


_SCORES = ("match_probability", "cosine_similarity", "alignment_similarity")


def _as_segment(step: Mapping[str, Any], side: str) -> str:
    """Return a segment as text; empty if only a decision links the pair."""
    start, end = step[f"{side}_start_seconds"], step[f"{side}_end_seconds"]
    return "" if start is None else f"{start:.1f} to {end:.1f} ({step[f'{side}_coverage']:.0%})"


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

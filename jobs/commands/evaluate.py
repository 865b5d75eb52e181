"""Compare the pairs and clusters of a lake with a ground truth, and print the figures."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pyspark.sql import Row
from pyspark.sql import functions as F

from jobs.commands.command_line import Command, run_command, show_examples
from jobs.commands.open_lake import open_lake
from jobs.commands.printing import print_rows
from jobs.errors import UsageError
from jobs.evaluation.measure import EvaluationReport, Rules, measure
from jobs.evaluation.published import load_cc_web, load_fivr, load_svd, load_vcdb
from jobs.evaluation.truth import SEGMENT_COLUMNS, Truth, load_truth
from jobs.lake.location import absolute
from jobs.lake.required_tables import require_tables
from jobs.tables import clusters, manifest, pairs, runs

if TYPE_CHECKING:
    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class TruthFormat(StrEnum):
    """Format of the truth."""

    NDVR = "ndvr"
    VCDB = "vcdb"
    FIVR = "fivr"
    SVD = "svd"
    CC_WEB = "cc_web"


_LOADERS = {
    TruthFormat.NDVR: load_truth,
    TruthFormat.VCDB: load_vcdb,
    TruthFormat.FIVR: load_fivr,
    TruthFormat.SVD: load_svd,
    TruthFormat.CC_WEB: load_cc_web,
}


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr evaluate --lake /data/lake --truth truth.csv",
        "ndvr evaluate --lake /data/lake --truth vcdb/annotation --format vcdb --json",
    ),
)
def evaluate(  # noqa: PLR0913 - each option of the command line is one
    lake: Annotated[str, typer.Option(help="Folder or URI of the tables; its pairs and clusters are evaluated.")],
    truth: Annotated[Path, typer.Option(help="File with the ground truth; for VCDB also a folder.")],
    *,
    truth_format: Annotated[TruthFormat, typer.Option("--format", help="Format of the truth.")] = TruthFormat.NDVR,
    model_id: Annotated[
        str | None, typer.Option(help="Model whose pairs are evaluated.", show_default="the model in use")
    ] = None,
    min_probability: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Minimum probability of pairs found.", show_default="all pairs are found"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for metrics.json and per_transform.csv.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Compare the pairs and clusters of a lake with a ground truth.

    Pairs are ranked by match_probability; ties are ranked by alignment_similarity, then by cosine_similarity. Videos
    that are not in the lake's manifest are excluded from the truth. Pairs of relation common are not counted as found.
    `--min-probability` applies to the pairs; the clusters are evaluated as they are stored.

    Exit codes: 0 done; 2 bad usage; 3 the truth breaks its format, or has no positive pairs of the lake's videos.
    """
    known = _LOADERS[truth_format](truth)
    model, report = evaluate_lake(open_lake(absolute(lake)), known, model_id, min_probability)
    content = {"truth": str(truth), "format": truth_format.value, "model_id": model, **report.to_dict()}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "metrics.json").write_text(text + "\n", encoding="utf-8")
        report.per_transform.to_csv(out / "per_transform.csv", index_label="transform")
    if as_json:
        sys.stdout.write(text + "\n")
    else:
        print_rows(("figure", "value", "of"), describe_report(report), title=f"{model or 'no pairs'} by {truth.name}")


def evaluate_lake(
    lake: Lake, truth: Truth, model_id: str | None = None, min_probability: float | None = None
) -> tuple[str | None, EvaluationReport]:
    """Evaluate the pairs and clusters of a model; return its id and the report. Runs on: driver, which loads all pairs.

    Without `model_id` the model in use is evaluated (`runs.find_model_in_use`). The id is None for a lake without pairs
    and without a published run; then no pair is found.

    Raises:
        UsageError: a table is missing, the model has no pairs, or pairs exist but no run has been published.
        ContractError: the truth has no positive pairs of the lake's videos.
    """
    require_tables(lake, manifest.TABLE, pairs.TABLE, clusters.TABLE)
    model = _choose_model(lake, model_id)
    rules = Rules(min_score=min_probability)
    of_model = F.col("model_id").eqNullSafe(F.lit(model))
    found = lake.read("pairs").where(of_model & (F.col("relation") != "common"))
    scored = found.select("left_id", "right_id", *rules.score_columns, *SEGMENT_COLUMNS)
    members = lake.read("clusters").where(of_model).select("video_id", "cluster_id").collect()
    video_ids = [
        row["video_id"] for row in lake.read("manifest").where("removed_at IS NULL").select("video_id").collect()
    ]
    cluster_of = {row["video_id"]: row["cluster_id"] for row in members}
    return model, measure(scored.toPandas(), truth, video_ids, cluster_of, rules)


def describe_report(report: EvaluationReport) -> list[Row]:
    """Return a report as rows of figure, value and explanation, for printing."""
    rows = [
        Row("videos", str(report.num_videos), "in the manifest"),
        Row(
            "truth pairs left out",
            str(report.num_left_out),
            f"{report.num_truth_pairs}; a video is not there",
        ),
    ]
    if (of_pairs := report.pairs) is not None:
        of_found, of_true = f"{of_pairs.num_found} pairs found", f"{of_pairs.num_positives} true pairs"
        rows += [
            _figure("pairs: average precision", of_pairs.average_precision, of_true),
            _figure("pairs: precision", of_pairs.precision, of_found),
            _figure("pairs: recall", of_pairs.recall, of_true),
            _figure("pairs: F1", of_pairs.f1, ""),
            _figure("pairs: best F1", of_pairs.best_f1, _describe_threshold(of_pairs.best_f1_score)),
        ]
        for target, recall in of_pairs.recall_at_precision.items():
            least = _describe_threshold(of_pairs.score_at_precision[target])
            rows.append(_figure(f"pairs: recall at precision {target}", recall, least))
        rows += [
            _figure(f"pairs: recall of {kind}", recall, "") for kind, recall in of_pairs.recall_by_relation.items()
        ]
    for name, part in (("clusters: B-cubed", report.clusters), ("segments:", report.segments)):
        if part is not None:
            rows += [
                _figure(f"{name} {kind}", getattr(part, kind.lower()), "") for kind in ("precision", "recall", "F1")
            ]
    if report.segments is not None:
        correct = report.segments.within_tolerance_fraction
        rows.append(_figure("segments: correct bounds", correct, f"found pairs, within {Rules().tolerance_seconds} s"))
    for variant, value in report.mean_average_precision.items():
        rows.append(_figure(f"mAP {variant}", value, f"{report.num_queries[variant]} queries"))
    for transform, num_pairs, _, recall in report.per_transform.itertuples():
        rows.append(_figure(f"recall of {transform}", recall, f"{num_pairs} pairs"))
    return rows


def _figure(name: str, value: Any, of: str) -> Row:  # noqa: ANN401 - numbers of pandas and of Python
    """Return the row of a figure. The value is empty if the figure is undefined."""
    return Row(name, "" if value is None else f"{value:.4f}", of)


def _describe_threshold(score: float | None) -> str:
    """Describe the threshold of a figure."""
    return "no threshold" if score is None else f"match_probability >= {score:g}"


def _choose_model(lake: Lake, model_id: str | None) -> str | None:
    """Return the given model, or the model in use, or None for a lake without pairs and without a published run."""
    models = sorted(row["model_id"] for row in lake.read("pairs").select("model_id").distinct().collect())
    if model_id is None:
        return runs.choose_model(lake, None) if models else runs.find_model_in_use(lake)
    if model_id not in models:
        raise UsageError(
            f"--model-id {model_id!r} has no pairs in {lake.root!r}; models with pairs: {', '.join(models)}"
        )
    return model_id


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

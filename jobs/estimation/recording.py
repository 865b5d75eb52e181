"""Records answers and estimates, and reads answered samples. Runs on: driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.clustering.verdict_files import shorten
from jobs.contracts.times import from_unix_micros
from jobs.errors import UsageError
from jobs.lake.file_skipping import covers
from jobs.lake.required_tables import require_tables
from jobs.lake.row_times import choose_time
from jobs.tables import answers, estimates, samples
from jobs.tables.answers import answers_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from jobs.estimation.answer_files import PairAnswer
    from jobs.lake.lake import Lake
    from jobs.tables.estimates import Estimate

_PAIR = ["left_id", "right_id"]


def record_answers(lake: Lake, given: Sequence[PairAnswer], by: str) -> int:
    """Write the answers that differ from those in force, and return their number.

    Raises:
        UsageError: an answer is about a pair that is not in its sample; nothing is written.
    """
    _require_samples(lake)
    lake.create(answers.TABLE)
    schema = "sample_id STRING, left_id STRING, right_id STRING, verdict STRING, note STRING"
    rows = lake.spark.createDataFrame(list(given), schema)
    unknown = rows.join(lake.read("samples"), ["sample_id", *_PAIR], "left_anti").sort(*_PAIR).collect()
    if unknown:
        listed = shorten([f"  {row['sample_id']} {row['left_id']} {row['right_id']}" for row in unknown])
        raise UsageError(
            "nothing was written: these pairs are not in the sample that they name; pass the lake of that sample\n"
            + "\n".join(listed)
        )
    held = answers_in_force(lake.read("answers")).select(*_PAIR, "verdict")
    known = {(row["left_id"], row["right_id"]): row["verdict"] for row in held.collect()}
    new = [one for one in given if known.get((one.left_id, one.right_id)) != one.verdict]
    if new:
        answered_at = choose_time(lake, answers.TABLE, "answered_at")
        values = [(*one[:4], by.strip(), answered_at, one.note) for one in new]
        lake.append(answers.TABLE, lake.spark.createDataFrame(values, answers.TABLE.schema).coalesce(1))
    return len(new)


def read_answered(lake: Lake, sample_id: str | None) -> pd.DataFrame:
    """Read the rows of a sample with the column `verdict`, null without an answer; drawn_at is a UTC time.

    Answers count that were given in any sample that has the pair.

    Args:
        lake: a lake with samples.
        sample_id: a sample; None for the newest with an answer.

    Raises:
        UsageError: the sample does not exist, or no sample has an answer.
    """
    _require_samples(lake)
    lake.create(answers.TABLE)
    in_force = answers_in_force(lake.read("answers")).select(*_PAIR, "verdict")
    rows = lake.read("samples").join(in_force, _PAIR, "left")
    if sample_id is None:
        newest = rows.where("verdict IS NOT NULL").agg(F.max_by("sample_id", F.struct("drawn_at", "sample_id")))
        sample_id = newest.collect()[0][0]
        if sample_id is None:
            raise UsageError("no pair of a sample has an answer: pass a file of answers with --answers FILE --by NAME")
    found = rows.where(F.col("sample_id") == sample_id).withColumn("drawn_at", F.unix_micros("drawn_at"))
    answered = found.orderBy(*_PAIR).toPandas()
    if answered.empty:
        raise UsageError(f"no sample {sample_id} in {lake.root!r}; the table samples lists all samples")
    if answered["verdict"].isna().all():
        raise UsageError(f"no pair of sample {sample_id} has an answer: pass a file with --answers FILE --by NAME")
    return answered.assign(drawn_at=[from_unix_micros(int(micros)) for micros in answered["drawn_at"]])


def write_estimate(lake: Lake, estimate: Estimate, model_id: str, run_id: str) -> None:
    """Append an estimate to the table `estimates`."""
    lake.create(estimates.TABLE)
    estimated_at = choose_time(lake, estimates.TABLE, "estimated_at")
    row = estimates.make_row(estimate, model_id, run_id, estimated_at)
    lake.append(estimates.TABLE, lake.spark.createDataFrame([row], estimates.TABLE.schema).coalesce(1))


def _require_samples(lake: Lake) -> None:
    require_tables(lake, samples.TABLE, remedy="draw a sample first with ndvr sample")


def list_unanswered(lake: Lake, rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Select the rows of a sample whose pairs have no answer, in random order by its seed, with the uris of videos.

    Args:
        lake: the lake.
        rows: rows of `samples` of one sample.
    """
    lake.create(answers.TABLE)
    in_force = answers_in_force(lake.read("answers")).select(*_PAIR)
    pairs = lake.spark.createDataFrame(
        [(row["left_id"], row["right_id"]) for row in rows], "left_id STRING, right_id STRING"
    )
    order = F.xxhash64(F.lit(f"order {rows[0]['seed']}"), *_PAIR)
    left = pairs.join(in_force, _PAIR, "left_anti").orderBy(order, *_PAIR).collect()
    by_pair = {(row["left_id"], row["right_id"]): row for row in rows}
    named = sorted({video_id for row in left for video_id in row})
    manifest = lake.read("manifest").where(covers("video_id", named)).select("video_id", "uri").collect()
    return [by_pair[row["left_id"], row["right_id"]] for row in left], {row["video_id"]: row["uri"] for row in manifest}

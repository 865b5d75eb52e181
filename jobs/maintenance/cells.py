"""Retrains the cells of the search when they no longer fit, and deletes codes that no search reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.lake.table_maintenance import commit_upkeep, delete_expired
from jobs.pairing.cells import choose_num_cells, read_cells, train_cells
from jobs.pairing.searched import find_searched_videos, select_wanted
from jobs.tables import search_cells, segment_codes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from jobs.lake.lake import Lake
    from udfs.searching.cells import Cells

_INPUTS = ("manifest", "quarantine", "embeddings", "fingerprints", "search_cells", "segment_codes")
_NUM_RUNS = 3
"""Runs whose median recall is compared with the wanted one."""
_RECALL_TOLERANCE = 0.01
"""An estimate on a few thousand pairs is this precise."""
_MIN_UNWANTED_SHARE = 0.05
"""Codes are deleted if at least this share is unwanted: a deletion rewrites every file that holds one of them."""


@dataclass(frozen=True)
class CellsReport:
    """What maintenance did to the cells of the model in use, or would do in a dry run.

    Attributes:
        version: version of the cells before the maintenance.
        reason: why they are retrained; None if they are kept.
        num_unwanted_videos: videos with codes that no search reads, because they are gone, replaced or identical to
            another video.
    """

    version: int
    reason: str | None
    num_unwanted_videos: int


def maintain_cells(lake: Lake, run: Run, *, is_dry: bool, is_alone: bool) -> CellsReport | None:
    """Retrain the cells and encode all segments in them, if they no longer fit; None without cells.

    The codes are committed before the cells, which makes them current: a run that starts meanwhile uses the old ones.
    Runs on: driver, with a sample of vectors; codes are made on executors.

    Args:
        lake: the tables.
        run: its id, start time, settings and model.
        is_dry: report the plan without changes.
        is_alone: whether no other run is active; the cells are not retrained beside one.
    """
    if not all(lake.exists(table) for table in (search_cells.TABLE, segment_codes.TABLE)):
        return None
    run = run if is_dry else replace(run, checkpoint=partial(lake.checkpoint, run=run))
    cells = read_cells(lake.read("search_cells"), run.model.model_id)
    if cells is None:
        return None
    try:
        unwanted, num_unwanted, num_coded = _find_unwanted(lake, run, cells)
        reason = find_reason_to_retrain(lake, run, cells)
        log.info("cells examined", version=cells.version, reason=reason, num_unwanted=num_unwanted)
        if reason is not None and is_alone and not is_dry:
            _retrain(lake, run, cells.version + 1)
        elif num_unwanted >= max(1, _MIN_UNWANTED_SHARE * num_coded) and not is_dry:
            _delete_unwanted(lake, unwanted)
    finally:
        if not is_dry:
            lake.clear_staging(run)
    return CellsReport(cells.version, reason if is_alone else None, num_unwanted)


def find_reason_to_retrain(lake: Lake, run: Run, cells: Cells) -> str | None:
    """Return why the cells of a model no longer fit; None if they do. Runs on: driver.

    They are retrained if the segments have grown by more than `pairs.max_cell_growth` since training and cells of the
    configured size are more than now; if `pairs.num_probes` has changed; or if the median recall of the last three
    searches in them is more than .01 below `pairs.min_search_recall`.
    """
    config, model_id = run.config.pairs, run.model.model_id
    is_current = (F.col("model_id") == model_id) & (F.col("cells_version") == cells.version)
    made_for = lake.read("search_cells").where(is_current).select("num_rows", "run_id").first()
    num_rows = lake.read("segment_codes").where(is_current).count()
    if made_for is None:
        return None
    if num_rows > config.max_cell_growth * made_for["num_rows"] and choose_num_cells(num_rows, config) > len(
        cells.centroids
    ):
        return (
            f"{num_rows} segments, made for {made_for['num_rows']}; pairs.max_cell_growth is {config.max_cell_growth:g}"
        )
    if config.num_probes is not None and cells.num_probes != min(config.num_probes, choose_num_cells(num_rows, config)):
        return f"{cells.num_probes} probes; pairs.num_probes is {config.num_probes}"
    searches = lake.read("runs").where((F.col("model_id") == model_id) & (F.col("stage") == "pairs"))
    searches = searches.where("search_plan = 'cells' AND search_recall IS NOT NULL AND status = 'done'")
    newest = searches.where(F.col("run_id") > made_for["run_id"]).orderBy(F.desc("run_id")).limit(_NUM_RUNS).collect()
    recall = median(row["search_recall"] for row in newest) if len(newest) == _NUM_RUNS else 1.0
    if recall < config.min_search_recall - _RECALL_TOLERANCE:
        wanted = f"pairs.min_search_recall is {config.min_search_recall:g}"
        return f"recall {recall:.4f} in the last {_NUM_RUNS} searches; {wanted}"
    return None


def _retrain(lake: Lake, run: Run, version: int) -> None:
    """Train new cells, encode all segments in them, and delete the codes of earlier versions."""
    inputs = {name: lake.read(name) for name in _INPUTS}
    segments = find_searched_videos(inputs, run).segments
    trained, training = train_cells(segments, segments.count(), run.min_searched_similarity, run.config.pairs)
    cells = replace(trained, version=version)
    codes = lake.stage(segment_codes.TABLE, segment_codes.encode_missing(inputs, run, cells), run)
    lake.append(segment_codes.TABLE, codes, run)
    lake.unstage(segment_codes.TABLE)
    rows = search_cells.make_rows(lake.spark, cells, training, version, run)
    lake.merge(search_cells.TABLE, rows, run)
    is_earlier = (F.col("model_id") == run.model.model_id) & (F.col("cells_version") < version)
    delete_expired(lake, segment_codes.TABLE, is_earlier)


def _find_unwanted(lake: Lake, run: Run, cells: Cells) -> tuple[DataFrame, int, int]:
    """Find the contents with codes that no search reads; also count them, and all contents with codes."""
    is_current = (F.col("model_id") == run.model.model_id) & (F.col("cells_version") == cells.version)
    key = ["video_id", "content_hash"]
    coded = lake.read("segment_codes").where(is_current & (F.col("segment_index") == 0)).select("model_id", *key)
    videos = find_searched_videos({name: lake.read(name) for name in _INPUTS}, run).videos
    unwanted = run.checkpoint("unwanted", coded.join(select_wanted(videos), key, "left_anti"))
    return unwanted, unwanted.count(), coded.count()


def _delete_unwanted(lake: Lake, unwanted: DataFrame) -> None:
    """Delete the codes of some contents."""
    from delta.tables import DeltaTable

    stored = DeltaTable.forPath(lake.spark, lake.path(segment_codes.TABLE.name)).alias("target")
    same = " AND ".join(f"target.{name} = source.{name}" for name in ("model_id", "video_id", "content_hash"))
    merge = stored.merge(unwanted.alias("source"), same).whenMatchedDelete()
    commit_upkeep(lake, segment_codes.TABLE, merge.execute)

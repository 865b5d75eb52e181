"""`ndvr export-vectors`: Parquet with its card, and collections of Qdrant, embedded and by HTTP."""

from __future__ import annotations

import gc
import json
import shutil
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from delta.tables import DeltaTable
from pyspark.sql import functions as F
from qdrant_client import QdrantClient, models

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.contracts.table import Table
from jobs.lake.lake import Lake
from jobs.tables import embeddings
from tests.support.qdrant_server import serve_qdrant
from tests.support.written_lake import FIRST, MODEL, append_rows
from udfs.exporting.qdrant_points import make_point_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import Column, SparkSession

    from tests.spark.conftest import Described
    from tests.support.qdrant_server import Database

VIDEOS = ("cup-final", "cup-final-hd", "rome", "rome-again")
OTHER_MODEL = "another-model"
KEY = "the key"


def make_row(video_id: str, index: int, model_id: str = MODEL, content: str | None = None) -> dict[str, Any]:
    vector = np.random.default_rng(len(video_id) * 10 + index).normal(size=4)
    return {
        "video_id": video_id,
        "model_id": model_id,
        "segment_index": index,
        "start_seconds": float(max(index - 1, 0)),
        "end_seconds": float(index or 60),
        "content_sha256": content or f"sha-{video_id}",
        "run_id": FIRST,
        "vector": [float(x) for x in vector / np.linalg.norm(vector)],
    }


@pytest.fixture(scope="module")
def written(spark: SparkSession, written_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos with a window each, one more window of a file that was replaced, and a video of another model."""
    folder = shutil.copytree(written_lake, tmp_path_factory.mktemp("export") / "lake")
    DeltaTable.forPath(spark, str(folder / "embeddings")).delete()
    rows = [make_row(video_id, index) for video_id in VIDEOS for index in (0, 1)]
    rows += [make_row("rome", 2, content="sha-before"), make_row("rome", 0, OTHER_MODEL)]
    append_rows(Lake(spark, str(folder)), embeddings.TABLE, rows)
    return folder


@pytest.fixture
def lake(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "lake")


def export(lake: Path, *options: str) -> int:
    return run_command(app, ["export-vectors", "--lake", str(lake), *options])


def change(spark: SparkSession, lake: Path, table: str, condition: str, **values: Column) -> None:
    Lake(spark, str(lake)).update(Table(table, "", "", ()), F.expr(condition), values)


def remove(spark: SparkSession, lake: Path, *video_ids: str) -> None:
    named = ", ".join(f"'{video_id}'" for video_id in video_ids)
    change(spark, lake, "manifest", f"video_id IN ({named})", removed_at=F.lit("2024-01-03").cast("timestamp"))


def replace_file(spark: SparkSession, lake: Path, video_id: str) -> None:
    """Give a video other content; its window stays behind, as it does in a night."""
    vector = F.array(*[F.lit(float(x)) for x in (1, 0, 0, 0)]).cast("array<float>")
    condition = f"video_id = '{video_id}' AND segment_index = 0"
    change(spark, lake, "embeddings", condition, content_sha256=F.lit("sha-new"), vector=vector)


def test_parquet_holds_flat_rows_that_any_reader_takes(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert export(written, "--to", "parquet", "--out", str(out)) == 0
    assert capsys.readouterr().out == f"4 vectors of 4 videos in {out}\n"
    rows = pl.read_parquet(out / "vectors" / "*.parquet").sort("video_id")
    assert rows["video_id"].to_list() == list(VIDEOS)
    assert rows.row(2, named=True) == {
        "video_id": "rome",
        "model_id": MODEL,
        "segment_index": 0,
        "start_seconds": 0.0,
        "end_seconds": 60.0,
        "content_sha256": "sha-rome",
        "published_at": rows["published_at"][2],
        "owner_id": "ann",
        "title": "Rome in a day",
        "vector": pytest.approx(make_row("rome", 0)["vector"]),
    }
    assert str(rows["published_at"][2]).startswith("2023-12-01 00:00:00")
    schema = pq.read_schema(next((out / "vectors").glob("*.parquet")))
    assert str(schema.field("published_at").type) == "timestamp[us, tz=UTC]"
    assert schema.field("vector").type.value_type == "float"
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "nothing is left of the staging"


def test_the_card_and_the_page_say_what_was_exported(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert export(written, "--to", "parquet", "--out", str(tmp_path), "--segments", "all", "--json") == 0
    card = json.loads((tmp_path / "model_card.json").read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == card | {"out": str(tmp_path)}
    told = {name: card[name] for name in ("model_id", "num_dims", "segments", "num_videos", "num_vectors", "model")}
    assert told == {
        "model_id": MODEL,
        "num_dims": 4,
        "segments": "all",
        "num_videos": 4,
        "num_vectors": 8,
        "model": None,
    }
    table = pq.read_table(tmp_path / "vectors")
    assert table.num_rows == 8, "the window of the replaced file is left out"
    assert table.column_names == list(card["columns"])
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "8 vectors of 4 videos (all segments), each of\n4 numbers" in page
    assert "| `vector` | 32-bit floats with unit norm" in page


def test_the_card_of_a_trained_model_goes_along(described: Described, tmp_path: Path) -> None:
    assert export(described.lake, "--to", "parquet", "--out", str(tmp_path / "out")) == 0
    card = json.loads((tmp_path / "out" / "model_card.json").read_text(encoding="utf-8"))
    assert (card["model"]["method"], card["model"]["licence"]) == ("discriminative", "Apache-2.0")
    assert card["num_dims"] == card["model"]["num_dims"]
    threshold = card["model"]["calibration"]["min_cosine_similarity"]
    assert f"at {threshold} or above are likely copies" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_an_export_takes_the_place_of_an_earlier_one_whole_or_not_at_all(
    spark: SparkSession,
    lake: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert export(lake, "--to", "parquet", "--out", str(out)) == 0
    remove(spark, lake, "rome-again")

    def fail(*_: object) -> str:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("jobs.sharing.parquet_folder.write_readme", fail)
        assert export(lake, "--to", "parquet", "--out", str(out)) == 1
    assert "OSError: the disk is full" in capsys.readouterr().err
    assert pq.read_table(out / "vectors").num_rows == 4
    assert export(lake, "--to", "parquet", "--out", str(out)) == 0
    assert sorted(pq.read_table(out / "vectors")["video_id"].to_pylist()) == ["cup-final", "cup-final-hd", "rome"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "out"]


def test_a_collection_answers_who_is_nearest(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "qdrant"
    assert export(written, "--to", "qdrant", "--path", str(folder)) == 0
    assert capsys.readouterr().out == f"4 vectors in collection {MODEL}: 4 written, 0 deleted\n"
    with closing(QdrantClient(path=str(folder))) as client:
        (nearest,) = client.query_points(MODEL, make_row("rome", 0)["vector"], limit=1).points
    assert nearest.id == make_point_id("rome", MODEL, 0)
    assert nearest.score == pytest.approx(1.0, abs=1e-6)
    assert nearest.payload == {
        "video_id": "rome",
        "model_id": MODEL,
        "segment_index": 0,
        "start_seconds": 0.0,
        "end_seconds": 60.0,
        "content_sha256": "sha-rome",
        "published_at": "2023-12-01T00:00:00.000000Z",
    }


@pytest.mark.slow
def test_a_collection_follows_the_lake_and_is_left_alone_where_nothing_is_new(
    spark: SparkSession, lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--to", "qdrant", "--path", str(tmp_path / "qdrant"), "--collection", "videos", "--segments", "all")
    told = []
    for event in (None, None, "remove", "replace", None):
        if event == "remove":
            remove(spark, lake, "cup-final")
        elif event == "replace":
            replace_file(spark, lake, "rome")
        assert export(lake, *options) == 0
        told.append(capsys.readouterr().out.strip().replace(" in collection videos", ""))
    assert told == [
        "8 vectors: 8 written, 0 deleted",
        "8 vectors: 0 written, 0 deleted",
        "6 vectors: 0 written, 2 deleted",
        "5 vectors: 1 written, 1 deleted",
        "5 vectors: 0 written, 0 deleted",
    ]
    with closing(QdrantClient(path=str(tmp_path / "qdrant"))) as client:
        records, _ = client.scroll("videos", limit=100)
    held = sorted((r.payload["video_id"], r.payload["segment_index"], r.payload["content_sha256"]) for r in records)
    assert held == [
        ("cup-final-hd", 0, "sha-cup-final-hd"),
        ("cup-final-hd", 1, "sha-cup-final-hd"),
        ("rome", 0, "sha-new"),
        ("rome-again", 0, "sha-rome-again"),
        ("rome-again", 1, "sha-rome-again"),
    ]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("NDVR_QDRANT_API_KEY", KEY)
    with serve_qdrant(KEY) as database:
        yield database


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_executors_write_to_a_server_and_write_nothing_twice(
    spark: SparkSession, lake: Path, server: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--to", "qdrant", "--url", server.url)
    assert export(lake, *options) == 0
    ids = {make_point_id(video_id, MODEL, 0) for video_id in VIDEOS}
    assert {point for request in server.written for point in request} == ids
    server.written.clear()
    assert export(lake, *options) == 0
    assert server.written == []
    remove(spark, lake, "rome")
    assert export(lake, *options) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"3 vectors in collection {MODEL}: 0 written, 1 deleted"
    assert server.engine.count(MODEL).count == 3


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_server_that_fails_or_refuses_is_told_in_one_line(
    written: Path, server: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    options = ("--to", "qdrant", "--url", server.url)
    server.is_broken = True
    assert export(written, *options) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ndvr: Qdrant at {server.url} failed while points were being written (")
    monkeypatch.setenv("NDVR_QDRANT_API_KEY", "wrong")
    assert export(written, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "401 (Unauthorized)" in line
    assert "check the address and the API key in NDVR_QDRANT_API_KEY" in line
    assert "wrong" not in line
    assert export(written, "--to", "qdrant", "--url", "http://127.0.0.1:9") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ndvr: Qdrant at http://127.0.0.1:9 is not usable: ")


def test_vectors_of_two_models_or_shapes_are_not_mixed(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "qdrant")
    options = ("--to", "qdrant", "--path", folder, "--collection", "mine")
    assert export(written, *options) == 0
    assert export(written, *options, "--model-id", OTHER_MODEL) == 2
    assert f"collection 'mine' holds 4 points of models other than '{OTHER_MODEL}'" in capsys.readouterr().err
    with closing(QdrantClient(path=folder)) as client:
        assert client.count("mine").count == 4
        client.create_collection("narrow", models.VectorParams(size=3, distance=models.Distance.COSINE))
    assert export(written, *options[:-1], "narrow") == 2
    assert (
        "collection 'narrow' does not hold unnamed vectors of 4 numbers with cosine distance" in capsys.readouterr().err
    )


# The client leaves its lock file open where it is refused.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_database_that_another_process_has_open_is_refused(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    with closing(QdrantClient(path=str(tmp_path))):
        assert export(written, "--to", "qdrant", "--path", str(tmp_path)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be opened: " in line
    assert "already accessed by another instance" in line
    gc.collect()


def test_without_the_client_it_is_said_how_to_install_it(
    spark: SparkSession, written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del spark
    capsys.readouterr()
    for module in ("qdrant_client", "qdrant_client.common.client_exceptions"):
        monkeypatch.setitem(sys.modules, module, None)
    assert export(written, "--to", "qdrant", "--path", "/nowhere") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("pip install ndvr[qdrant]")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "parquet"), "--to parquet requires --out"),
        (("--to", "parquet", "--out", "x", "--url", "http://x"), "--to parquet requires --out and excludes --url"),
        (("--to", "qdrant"), "--to qdrant requires either --url (server) or --path"),
        (
            ("--to", "qdrant", "--url", "http://x", "--path", "x"),
            "--to qdrant requires either --url (server) or --path",
        ),
        (("--to", "parquet", "--out", "x", "--model-id", "none"), f"models with vectors: {OTHER_MODEL}, {MODEL}"),
    ],
)
def test_bad_usage_is_refused_with_2(
    written: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(written, *options) == 2
    assert message in capsys.readouterr().err


def test_what_is_no_export_is_not_replaced(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").touch()
    assert export(written, "--to", "parquet", "--out", str(tmp_path)) == 2
    assert "holds files that are not an export" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_lake_whose_videos_are_all_gone_has_nothing_to_export(
    spark: SparkSession, lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(spark, lake, *VIDEOS)
    assert export(lake, "--to", "parquet", "--out", str(tmp_path / "out")) == 2
    assert "nothing to export" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""Manifests: the rows of each format, and the error for each invalid manifest."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyspark.sql import functions as F

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.contracts.manifest_values import FALSE_WORDS, TRUE_WORDS, keep_in_range, read_flag, read_time
from jobs.engine.manifest_check import check_values
from jobs.engine.manifest_source import read_manifest
from jobs.errors import ContractError, QualityError, UsageError
from jobs.tables import attempts, descriptors, manifest, thumbnails
from tests.support.catalogue import make_scene
from tests.support.lakes import TINY, make_run, none_in_quarantine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    Read = Callable[[Path], dict[str, dict[str, Any]]]

ODD_NAMES = (
    "with space.mp4",
    "100%.mp4",
    "per%20cent.mp4",
    "hash#tag.mp4",
    'it\'s "quoted".mp4',
    "日本語 é.mp4",
    "question?mark=1&x.mp4",
    "new\nline.mp4",
    "-dash.mp4",
    "colon:name.mp4",
)


@pytest.fixture
def read(spark: SparkSession) -> Read:
    """Read a manifest and build the rows of the table: video_id -> row."""

    def read(path: Path) -> dict[str, dict[str, Any]]:
        source = read_manifest(spark, str(path))
        rows = manifest.build(
            {"manifest_source": source, "manifest": nothing(spark)}, make_run(spark, path, TINY)
        ).collect()
        return {row["video_id"]: row.asDict() for row in rows}

    return read


def nothing(spark: SparkSession) -> DataFrame:
    """Return the table before the first run."""
    return spark.createDataFrame([], manifest.TABLE.schema)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def test_csv_keeps_quotes_commas_and_newlines_inside_quotes(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        'video_id,uri,title\n1,a.mp4,"a ""title"", with comma"\n2,b.mp4,"two\nlines"\n3,c.mp4,back\\slash\n',
        encoding="utf-8",
    )
    rows = read(path)
    assert [rows[i]["attributes"] for i in "123"] == [
        {"title": 'a "title", with comma'},
        {"title": "two\nlines"},
        {"title": "back\\slash"},
    ]


def test_csv_may_have_a_byte_order_mark_and_line_endings_of_windows(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes("\ufeffvideo_id,uri,stadt\r\nö1,a.mp4,Köln\r\n".encode())
    assert read(path)["ö1"]["attributes"] == {"stadt": "Köln"}


def test_paths_are_literal_and_relative_to_the_folder_of_the_manifest(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    lines = [f"{number},{quoted(name)}" for number, name in enumerate(ODD_NAMES)]
    path.write_text("\n".join(["video_id,uri", *lines, "absolute,/a%20b/c.mp4", "up,../c.mp4"]), encoding="utf-8")
    rows = read(path)
    assert [rows[str(number)]["uri"] for number in range(len(ODD_NAMES))] == [f"{tmp_path}/{n}" for n in ODD_NAMES]
    assert rows["absolute"]["uri"] == "/a%20b/c.mp4"
    assert rows["up"]["uri"] == f"{tmp_path}/../c.mp4"


def test_uris_with_a_scheme_are_unchanged(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("video_id,uri\n1,s3://b/k%20k.mp4\n2,file:///v/a%20b.mp4\n3,file:/v/c.mp4\n", encoding="utf-8")
    rows = read(path)
    assert [rows[i]["uri"] for i in "123"] == ["s3://b/k%20k.mp4", "file:///v/a%20b.mp4", "file:///v/c.mp4"]


def test_videos_with_odd_names_are_described(spark: SparkSession, tmp_path: Path) -> None:
    good = make_scene(tmp_path / "good.mp4", "tiles", seconds=0.5).read_bytes()
    for name in ODD_NAMES:
        (tmp_path / name).write_bytes(good)
    encoded = f"file://{tmp_path}/per%2520cent.mp4"
    path = tmp_path / "m.json"
    named = [*enumerate(ODD_NAMES), ("encoded", encoded)]
    path.write_text("\n".join(json.dumps({"video_id": str(i), "uri": uri}) for i, uri in named), encoding="utf-8")
    run = make_run(spark, path, TINY)
    inputs = {
        "manifest": manifest.build(
            {"manifest_source": read_manifest(spark, str(path)), "manifest": nothing(spark)}, run
        ),
        "descriptors": spark.createDataFrame([], descriptors.TABLE.schema),
        "thumbnails": spark.createDataFrame([], thumbnails.TABLE.schema),
        "quarantine": none_in_quarantine(spark),
    }
    tried = (
        attempts.build({"due": attempts.make_requests(spark, attempts.select_due(inputs, run).collect(), 16)}, run)
        .select("video_id", "error_code", "error_detail")
        .collect()
    )
    assert [row for row in tried if row["error_code"]] == []
    assert len(tried) == len(ODD_NAMES) + 1


@pytest.mark.parametrize("name", ["m.json", "m.jsonl", "m.ndjson"])
def test_json_lines_keep_other_fields_as_text_and_nested_ones_as_json(read: Read, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    fields = {"video_id": "1", "uri": "a.mp4", "views": 12, "is_short": True, "tags": ["x", "y"], "size": {"w": 3}}
    path.write_text(json.dumps(fields) + '\n{"video_id": 2, "uri": "b.mp4"}\n', encoding="utf-8")
    rows = read(path)
    assert rows["1"]["attributes"] == {"views": "12", "is_short": "true", "tags": '["x","y"]', "size": '{"w":"3"}'}
    assert rows["2"]["attributes"] == {}


def test_parquet_and_delta_yield_the_rows_of_csv(read: Read, tmp_path: Path) -> None:
    columns = {
        "video_id": ["1", "2"],
        "uri": ["/v/a.mp4", "/v/b.mp4"],
        "published_at": ["2024-01-02 03:04:05", None],
        "owner_id": ["ann", None],
        "colour": [None, "red"],
    }
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    write_deltalake(str(tmp_path / "manifests"), pa.table(columns))
    csv = tmp_path / "m.csv"
    csv.write_text(
        "video_id,uri,published_at,owner_id,colour\n1,/v/a.mp4,2024-01-02 03:04:05,ann,\n2,/v/b.mp4,,,red\n",
        encoding="utf-8",
    )
    expected = read(csv)
    assert read(tmp_path / "m.parquet") == expected
    assert read(tmp_path / "manifests") == expected
    assert expected["1"]["published_at"] == datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001 -- Spark gives naive times
    assert expected["1"]["attributes"] == {}
    assert expected["2"]["attributes"] == {"colour": "red"}


def test_a_parquet_timestamp_is_read_as_utc(read: Read, tmp_path: Path) -> None:
    times = pa.array([1_700_000_000_000_000], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"video_id": [7], "uri": ["a.mp4"], "published_at": times}), tmp_path / "m.parquet")
    assert read(tmp_path / "m.parquet")["7"]["published_at"] == datetime(2023, 11, 14, 22, 13, 20)  # noqa: DTZ001 -- as above


def write_parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table({"video_id": ["1", "2"], "uri": ["a.mp4", "b.mp4"], **columns}), path)
    return path


def test_parquet_columns_of_types_that_spark_refuses_are_kept_as_text(read: Read, tmp_path: Path) -> None:
    nanoseconds = pa.timestamp("ns")
    columns = {
        "published_at": pa.array([1_700_000_000_123_456_789, -1], nanoseconds),
        "zoned": pa.array([-1, None], pa.timestamp("ns", "UTC")),
        "time": pa.array([86_399_999, 0], pa.time32("ms")),
        "fine_time": pa.array([1, None], pa.time64("ns")),
        "half": pa.array([np.float16(1.5), None], pa.float16()),
        "wide": pa.array([Decimal("-1234567890123456789012345678901234567890.5"), None], pa.decimal256(50, 3)),
        "nested": pa.array([[{"at": [1_000_000]}, None], None], pa.list_(pa.struct({"at": pa.list_(nanoseconds)}))),
        "by_name": pa.array([[("x", 1_000_000)], None], pa.map_(pa.string(), nanoseconds)),
        "unsigned": pa.array([2**64 - 1, 0], pa.uint64()),
        "bytes": pa.array([b"text", b"\xff"]),
        "nothing": pa.nulls(2),
    }
    rows = read(write_parquet(tmp_path / "m.parquet", **columns))
    assert [rows[i]["published_at"].isoformat() for i in "12"] == [
        "2023-11-14T22:13:20.123456",
        "1969-12-31T23:59:59.999999",
    ]
    assert rows["1"]["attributes"] == {
        "zoned": "1969-12-31 23:59:59.999999",
        "time": "23:59:59.999",
        "fine_time": "00:00:00.000000001",
        "half": "1.5",
        "wide": "-1234567890123456789012345678901234567890.500",
        "nested": '[{"at":["1970-01-01T00:00:00.001"]},null]',
        "by_name": '{"x":"1970-01-01T00:00:00.001"}',
        "unsigned": "18446744073709551615",
        "bytes": "text",
    }
    assert rows["2"]["attributes"] == {"time": "00:00:00", "unsigned": "0", "bytes": "0xFF"}


def test_parquet_files_of_one_folder_may_have_different_units(read: Read, tmp_path: Path) -> None:
    for number, unit, value in (("1", "ns", 1_700_000_000_000_000_000), ("2", "us", 1_700_000_000_000_000)):
        folder = tmp_path / "m.parquet" / f"owner_id=00{number}"
        folder.mkdir(parents=True)
        times = pa.array([value], pa.timestamp(unit))
        pq.write_table(pa.table({"video_id": [number], "uri": ["a"], "published_at": times}), folder / "p.parquet")
    rows = read(tmp_path / "m.parquet")
    assert {(row["published_at"].isoformat(), row["owner_id"]) for row in rows.values()} == {
        ("2023-11-14T22:13:20", "001"),
        ("2023-11-14T22:13:20", "002"),
    }


def test_a_parquet_column_that_cannot_be_read_is_an_error_only_if_it_is_needed(read: Read, tmp_path: Path) -> None:
    wide = pa.array([[Decimal(1)], None], pa.list_(pa.decimal256(50, 3)))
    assert read(write_parquet(tmp_path / "m.parquet", prices=wide))["1"]["attributes"] == {}
    for name, column in (("owner_id", wide), ("published_at", pa.array([1, 2], pa.time64("us")))):
        with pytest.raises(ContractError, match=f"its column '{name}' cannot be read: .*; write it as text"):
            read(write_parquet(tmp_path / "m.parquet", **{name: column}))
    with pytest.raises(ContractError, match="its column 'owner_id' has the type array<string>; it needs one value"):
        read(write_parquet(tmp_path / "m.parquet", owner_id=[["ann"], ["bob"]]))


def test_names_of_columns_are_kept_as_written(read: Read, tmp_path: Path) -> None:
    fields = {"Title": "x", "title": "y", "VIDEO_ID": "z", "a`b": "q", "a.b": "r", " s ": "t"}
    row = {"video_id": "1", "uri": "a", **fields}
    lines = ",".join(row), ",".join(row.values())
    (tmp_path / "m.csv").write_text("\n".join(lines), encoding="utf-8")
    assert read(tmp_path / "m.csv")["1"]["attributes"] == fields
    (tmp_path / "unnamed.csv").write_text(
        "".join(f"{line},{end}\n" for line, end in zip(lines, ("", "u"), strict=True))
    )
    assert read(tmp_path / "unnamed.csv")["1"]["attributes"] == {**fields, "_c8": "u"}
    nested = {"": 1.50, "sizes": {"id": 1, "ID": [2.50, None, True]}}
    (tmp_path / "m.jsonl").write_text(json.dumps(row | nested), encoding="utf-8")
    expected = fields | {"": "1.5", "sizes": '{"id":"1","ID":["2.5",null,true]}'}
    assert read(tmp_path / "m.jsonl")["1"]["attributes"] == expected
    (tmp_path / "nested.jsonl").write_text('{"video_id": "1", "uri": "a", "sizes": {"id": 1, "ID": 2}}')
    assert read(tmp_path / "nested.jsonl")["1"]["attributes"] == {"sizes": '{"id":"1","ID":"2"}'}
    pq.write_table(
        pa.table({"video_id": ["1"], "uri": ["a"], "a`b": ["q"], "a.b": ["r"], "": ["s"]}), tmp_path / "m.parquet"
    )
    assert read(tmp_path / "m.parquet")["1"]["attributes"] == {"a`b": "q", "a.b": "r", "": "s"}


@pytest.mark.parametrize("other", ["title", "Uri"])  # names that differ by case only are read in another way
def test_json_lines_may_have_a_byte_order_mark_blank_lines_and_crlf(read: Read, tmp_path: Path, other: str) -> None:
    rows = [json.dumps({"video_id": str(number), "uri": "a", other: "text"}) for number in (1, 2)]
    (tmp_path / "m.jsonl").write_bytes(f"\ufeff{rows[0]}\r\n\r\n\t\r\n{rows[1]}\r\n".encode())
    found = read(tmp_path / "m.jsonl")
    assert {name: row["attributes"] for name, row in found.items()} == {"1": {other: "text"}, "2": {other: "text"}}


def test_names_of_columns_that_cannot_be_told_apart_are_an_error(read: Read, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("video_id,uri,t,t\n1,a,x,y\n", encoding="utf-8")
    with pytest.raises(ContractError, match=r"it has several columns with the same name: \['t'\]; rename all but one"):
        read(tmp_path / "m.csv")
    pq.write_table(pa.table([["1"], ["a"], ["x"], ["y"]], names=["video_id", "uri", "T", "t"]), tmp_path / "m.parquet")
    with pytest.raises(ContractError, match=r"names are equal or differ by case only: \['T', 't'\]; rename them"):
        read(tmp_path / "m.parquet")


def test_the_path_of_a_manifest_is_literal(read: Read, tmp_path: Path) -> None:
    for folder in ("night[1]", "night1", "back\\{a,b}*?", "10:00 %20#é"):
        row = {"video_id": folder, "uri": "x"}
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "m[1]:*.csv"
        path.write_text(",".join(row) + "\n" + ",".join(map(quoted, row.values())), encoding="utf-8")
        path.with_suffix(".jsonl").write_text(json.dumps(row), encoding="utf-8")
        columns = {name: [value] for name, value in row.items()}
        times = pa.array([1], pa.timestamp("ns"))
        pq.write_table(pa.table({**columns, "at": times}), path.with_suffix(".parquet"))
        for suffix in (".csv", ".jsonl", ".parquet"):
            assert list(read(path.with_suffix(suffix))) == [folder]


def test_a_manifest_whose_name_spark_ignores_is_an_error(read: Read, tmp_path: Path) -> None:
    (tmp_path / "_m.csv").write_text("video_id,uri\n1,a\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"Spark ignores files whose name starts with `_` or `\."):
        read(tmp_path / "_m.csv")


def test_an_invalid_published_at_is_null_and_its_text_is_kept(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("video_id,uri,published_at\n1,a.mp4,last summer\n2,b.mp4,2024-01-02T03:04:05+02:00\n", "utf-8")
    rows = read(path)
    assert rows["1"]["published_at"] is None
    assert rows["1"]["attributes"] == {"published_at": "last summer"}
    assert rows["2"]["published_at"] == datetime(2024, 1, 2, 1, 4, 5)  # noqa: DTZ001 -- as above
    assert rows["2"]["attributes"] == {}


WRITTEN_DATES = {
    "2026-01-03": "2026-01-03 00:00:00",
    "2026/1/3": "2026-01-03 00:00:00",
    " 2026-01-03\t": "2026-01-03 00:00:00",
    "2026-01-03T10:00": "2026-01-03 10:00:00",
    "2026-01-03t10:00:01z": "2026-01-03 10:00:01",
    "2026-01-03 10:00:00 UTC": "2026-01-03 10:00:00",
    "2026-01-03 10:00:00.5 +0200": "2026-01-03 08:00:00.5",
    "2026-01-03T10:00:00.123456789-03:30": "2026-01-03 13:30:00.123456",
    "1800-01-01": "1800-01-01 00:00:00",
    "2199-12-31T23:59:59Z": "2199-12-31 23:59:59",
    **dict.fromkeys(
        (
            *("0001-01-01T00:00:00Z", "0000-00-00", "9999-12-31T23:59:59-12:00", "1799-12-31", "2200-01-01"),
            *("202601", "20260103", "2026", "2026-01", "1735689600", "1735689600000", "12:30", "1735689600.5"),
            *("31/12/2025", "01/02/2025", "03.01.2026", "2026-1/3", "Jan 3 2026", "2026-02-30", "2026-01-03T24:00"),
            *("2026-01-03T10:00:00+25:00", "2026-01-03T10:00 Europe/Berlin", "today", "epoch", "NaT", "-2026-01-03"),
        )
    ),
}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_date_is_read_in_the_accepted_forms_only(spark: SparkSession, zone: str) -> None:
    rows = spark.createDataFrame([(text,) for text in WRITTEN_DATES], "published_at STRING")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        micros = F.unix_micros(read_time(rows, "published_at"))
        found = {row[0]: row[1] for row in rows.select("published_at", micros).collect()}
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    expected = {
        text: None if utc is None else (datetime.fromisoformat(utc) - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001 -- as above
        for text, utc in WRITTEN_DATES.items()
    }
    assert found == expected


def test_typed_dates_are_read_and_those_out_of_range_are_null(spark: SparkSession) -> None:
    rows = spark.sql("""
        SELECT timestamp'2026-01-03 10:00:00Z' AS a, timestamp_ntz'2026-01-03 10:00:00.5' AS b, date'2026-01-03' AS c,
            timestamp'0001-01-01 00:00:00Z' AS d, timestamp_ntz'9999-12-31 10:00:00' AS e, date'0001-01-01' AS f,
            20260103 AS g, timestamp_micros(9223372036854775807) AS h, CAST(NULL AS VOID) AS i""")
    found = rows.select(*(F.unix_seconds(read_time(rows, name)).alias(name) for name in rows.columns)).collect()[0]
    assert found.asDict() == {"a": 1767434400, "b": 1767434400, "c": 1767398400} | dict.fromkeys("defghi")


def test_unusable_dates_are_counted_with_a_sample(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [("1", "2026-01-03"), ("2", "0001-01-01"), ("3", "12:30"), ("4", " "), ("5", None)],
        "video_id STRING, published_at STRING",
    )
    (unread,) = check_values(rows, "m.csv")
    assert unread[:3] == (
        "published_at",
        2,
        ('{"video_id":"2","published_at":"0001-01-01"}', '{"video_id":"3","published_at":"12:30"}'),
    )
    assert str(unread).startswith('2 rows have no usable published_at, such as {"video_id":"2",')
    assert check_values(rows.where("video_id = 1"), "m.csv") == []
    # A date out of range is an unknown date, not another form, so the night goes on.
    assert [found.num_rows for found in check_values(rows.where("video_id = 2"), "m.csv")] == [1]


def test_words_for_removed_are_read_in_any_case_and_no_others(spark: SparkSession) -> None:
    expected: dict[str, bool | None] = {}
    for word in (*TRUE_WORDS, *FALSE_WORDS):
        expected |= dict.fromkeys((word, word.upper(), f"\t{word.capitalize()}\u00a0"), word in TRUE_WORDS)
    expected |= dict.fromkeys(("", "  ", "2", "-1", "1.5", "01", "gone", "oui", "truee", "not removed", "null"))
    rows = spark.createDataFrame([(text,) for text in expected], "is_removed STRING")
    assert {row[0]: row[1] for row in rows.select("is_removed", read_flag(rows, "is_removed")).collect()} == expected


def test_typed_booleans_are_read(spark: SparkSession) -> None:
    rows = spark.sql(
        "SELECT true AS a, 1.0D AS b, 1 AS c, 0.0D AS d, double('NaN') AS e, 2 AS f, CAST(NULL AS INT) AS g"
    )
    found = rows.select(*(read_flag(rows, name).alias(name) for name in rows.columns)).collect()[0]
    assert tuple(found) == (True, True, True, False, False, None, None)


def test_a_night_and_a_report_go_on_with_a_stored_date_of_year_1(spark: SparkSession, tmp_path: Path) -> None:
    """Versions before this rule stored such dates, and Python cannot hold them."""
    values = ["'1' AS video_id", "'a.mp4' AS uri", "timestamp'0001-01-01 00:00:00Z' AS published_at", "'r' AS run_id"]
    values += [f"CAST(NULL AS TIMESTAMP) AS {name}" for name in ("removed_at", "modified_at", "file_changed_at")]
    stored = spark.sql(f"SELECT {', '.join([*values, 'CAST(NULL AS BIGINT) AS size_bytes'])}")
    inputs = {
        "manifest": stored,
        "descriptors": spark.createDataFrame([], descriptors.TABLE.schema),
        "quarantine": none_in_quarantine(spark),
        "thumbnails": spark.createDataFrame([], thumbnails.TABLE.schema),
    }
    due = attempts.select_due(inputs, make_run(spark, tmp_path / "m.csv", TINY))
    assert [(row["video_id"], row["uri"]) for row in due.collect()] == [("1", "a.mp4")]
    assert stored.select(keep_in_range(F.col("published_at"))).collect()[0][0] is None


def test_csv_is_read_in_the_order_of_its_lines_from_several_splits_and_files(
    spark: SparkSession, tmp_path: Path
) -> None:
    folder = tmp_path / "m.csv"
    folder.mkdir()
    for part in range(2):
        rows = [f'{part}-{number},a.mp4,"line\n{number}, end"' for number in range(400)]
        (folder / f"part-{part}.csv").write_text("\n".join(["video_id,uri,title", *rows]), encoding="utf-8")
    (folder / "part-2.csv").write_text("", encoding="utf-8")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "1000")
    try:
        found = {row["video_id"]: row["other_columns"]["title"] for row in read_manifest(spark, str(folder)).collect()}
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
    assert found == {f"{part}-{number}": f"line\n{number}, end" for part in range(2) for number in range(400)}


def test_a_manifest_that_changes_is_read_again_in_the_same_session(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    for name in ("first", "second"):
        path.write_text(f"video_id,uri\n{name},a.mp4\n", encoding="utf-8")
        assert [row["video_id"] for row in read_manifest(spark, str(path)).collect()] == [name]


def test_compressed_csv_is_read(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "m.csv.gz"
    path.write_bytes(gzip.compress(b"video_id,uri\r\n1,a.mp4\r\n"))
    assert list(read(path)) == ["1"]


def test_a_row_without_uri_stays_in_the_manifest(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('video_id,uri\n1,\n2,"  "\n', encoding="utf-8")
    assert {video_id: row["uri"] for video_id, row in read(path).items()} == {"1": None, "2": None}


def test_repeated_rows_become_one_row(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("video_id,uri,owner_id\n1,a.mp4,bob\n1,a.mp4,ann\n1,a.mp4,ann\n", encoding="utf-8")
    assert read(path)["1"]["owner_id"] == "ann"


# file name, content, exit code, text of the message after the name of the manifest
BAD_MANIFESTS = {
    "a missing column": ("m.csv", "id,uri\n1,a.mp4\n", 3, "lacks the column(s) video_id; it has id, uri"),
    "both columns missing": ("m.csv", "a;b\n1;2\n", 3, "lacks the column(s) video_id, uri; it has a;b"),
    "an empty CSV file": ("m.csv", "", 3, "lacks the column(s) video_id, uri; it has none"),
    "an empty JSON file": ("m.json", "", 3, "lacks the column(s) video_id, uri; it has none"),
    "a header alone": ("m.csv", "video_id,uri\n", 3, "has no rows; it needs at least one video"),
    "one id with two URIs": (
        "m.csv",
        "video_id,uri\n1,a.mp4\n2,b.mp4\n1,c.mp4\n",
        3,
        'different values of uri; the first: {"video_id":"1","uri":"a.mp4","other_uri":"c.mp4"}',
    ),
    "one id with and without URI": (
        "m.csv",
        "video_id,uri\n1,a.mp4\n1,\n",
        3,
        'different values of uri; the first: {"video_id":"1","uri":"","other_uri":"a.mp4"}',
    ),
    "a row without id": (
        "m.csv",
        "video_id,uri\n1,a\n,b.mp4\n",
        3,
        'rows have no video_id; the first: {"uri":"b.mp4"}',
    ),
    "a blank id": ("m.csv", 'video_id,uri\n" ",b.mp4\n', 3, "rows have no video_id; the first: "),
    "a CSV row with too many values": (
        "m.csv",
        "video_id,uri\n1,a.mp4\n2,b.mp4,c,d\n",
        3,
        "rows cannot be parsed; the first: line 3: 4 values, but the header has 2: '2,b.mp4,c,d'",
    ),
    "a quote that nobody closes": (
        "m.csv",
        'video_id,uri,title\n1,a.mp4,x\n2,b.mp4,"open\n3,c.mp4,y\n4,d.mp4,z\n',
        3,
        "rows cannot be parsed; the first: line 3: a quote opens a value, and no quote closes it before the end of",
    ),
    "Latin-1": (
        "m.csv",
        b"video_id,uri\n1,a.mp4\nk\xf6ln,b.mp4\n",
        3,
        "the first: line 3: the byte 0xf6 is not UTF-8",
    ),
    "UTF-16": ("m.csv", "video_id,uri\n1,a.mp4\n".encode("utf-16"), 3, "the header cannot be used: line 1: a NUL byte"),
    "two objects in one line of JSON": (
        "m.jsonl",
        '{"video_id": "1", "uri": "a"}\n{"video_id": "2", "uri": "b"}{"video_id": "3", "uri": "c"}\n',
        3,
        "the first: line 2: no JSON (Extra data at character 30): ",
    ),
    "an unknown boolean": (
        "m.csv",
        "video_id,uri,is_removed\n1,a.mp4,1.0\n2,b.mp4,gone\n3,c.mp4,\n",
        3,
        (
            "rows have an unknown is_removed; write one of 1, 1.0, true, t, yes, y, on, removed, deleted, or one of "
            '0, 0.0, false, f, no, n, off, nan, or nothing; the first: {"video_id":"2","is_removed":"gone"}'
        ),
    ),
    "no dates in published_at": (
        "m.csv",
        "video_id,uri,published_at\n1,a.mp4,1735689600\n2,b.mp4,\n3,c.mp4,31/12/2025\n",
        3,
        (
            "published_at has no dates; a date is YYYY-MM-DD from 1800-01-01 to before 2200-01-01, or a date and a "
            'time of ISO 8601; the first: {"video_id":"1","published_at":"1735689600"}; {"video_id":"3",'
        ),
    ),
    "a broken JSON line": (
        "m.jsonl",
        '{"video_id": "1", "uri": "a"}\n{"video_id": "2", \n',
        3,
        "rows cannot be parsed; the first: ",
    ),
    "nothing but broken JSON": ("m.json", "no json\n", 3, "rows cannot be parsed; the first: "),
    "text called Parquet": ("m.parquet", "no parquet at all", 3, "cannot be read as parquet"),
    "an unknown format": ("m.txt", "video_id,uri\n1,a.mp4\n", 2, "has no known format; give a Delta table or a name"),
    "no file": ("m.csv", None, 2, "does not exist; give --manifest an existing file or table"),
}


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("fault", BAD_MANIFESTS)
def test_an_invalid_manifest_is_one_error_before_any_table_is_created(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, content, exit_code, message = BAD_MANIFESTS[fault]
    path, lake = tmp_path / name, tmp_path / "lake"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run_command(app, ["nightly", "--manifest", str(path), "--lake", str(lake)]) == exit_code
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("ndvr: "))
    assert f"manifest '{path}'" in line
    assert message in line
    assert [folder.name for folder in lake.iterdir()] == ["_logs"]


def test_each_file_is_checked_on_one_of_the_days_and_an_outage_is_found_on_each_of_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    files = {f"video-{number:02}": tmp_path / f"{number}.mp4" for number in range(40)}
    rows = [(video_id, str(file), {}) for video_id, file in files.items()]
    source = spark.createDataFrame(rows, "video_id STRING, uri STRING, other_columns MAP<STRING, STRING>")
    settings = TINY | {"manifest": {"check_days": 4}, "quality": {"min_attempts": 3}}
    first = make_run(spark, tmp_path / "manifest.csv", settings)

    def build(stored: DataFrame, day: int) -> DataFrame:
        run = replace(first, started_at=first.started_at + timedelta(days=day))
        return manifest.build({"manifest_source": source, "manifest": stored}, run)

    def find_sizes(rows: DataFrame) -> dict[str, int]:
        return {row["video_id"]: row["size_bytes"] for row in rows.select("video_id", "size_bytes").collect()}

    for file in files.values():
        file.write_bytes(b"1")
    stored = build(nothing(spark), 0).localCheckpoint()
    assert find_sizes(stored) == dict.fromkeys(files, 1)
    for file in files.values():
        file.write_bytes(b"22")
    changed = [{name for name, size in find_sizes(build(stored, day)).items() if size == 2} for day in range(1, 5)]
    assert sorted(name for names in changed for name in names) == sorted(files)
    assert all(changed)
    for file in files.values():
        file.unlink()
    for day in range(1, 5):
        with pytest.raises(
            QualityError, match=rf"the files of {len(changed[day - 1])} of {len(changed[day - 1])} known"
        ):
            build(stored, day)

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import UsageError
from jobs.lake.location import absolute

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40).filter(
    lambda name: name not in {".", ".."}
)


@given(NAMES, NAMES)
def test_a_path_is_literal(one: str, other: str) -> None:
    assert absolute(f"/{one}/{other}") == f"/{one}/{other}"
    assert absolute(f"/{one}/{other}/") == f"/{one}/{other}"
    assert absolute(f"./{one}") == str(Path.cwd() / one)


@given(NAMES)
def test_a_remote_uri_is_literal(name: str) -> None:
    assert absolute(f"s3a://bucket/{name}/[a]*?%20") == f"s3a://bucket/{name}/[a]*?%20"


def test_schemes_have_the_names_of_hadoop() -> None:
    assert absolute("s3://bucket/s3://x") == "s3a://bucket/s3://x"
    assert absolute("S3://bucket/lake") == "s3a://bucket/lake"
    assert absolute("gcs://bucket/lake") == "gs://bucket/lake"
    assert absolute("hdfs://name:8020/lake") == "hdfs://name:8020/lake"


def test_a_file_uri_is_percent_decoded() -> None:
    assert absolute("file:///a%20b/%5B1%5D?x#y") == "/a b/[1]?x#y"


@pytest.mark.parametrize("name", ["caf\udce9", "file:///caf%E9", "a\0b", ""])
def test_a_name_that_no_file_of_spark_has_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match="is not a name that Spark can open: it must be UTF-8 text, not empty"):
        absolute(name)

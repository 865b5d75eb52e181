"""Local and remote folders behave the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyarrow import fs

from udfs.indexing.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return Store.of(str(tmp_path / "there"))
    (tmp_path / "bucket").mkdir()
    bucket = fs.SubTreeFileSystem(str(tmp_path / "bucket"), fs.LocalFileSystem())
    return Store(bucket, "lake/_index", is_local=False)


def write(store: Store, name: str, content: str) -> None:
    with store.write_folder(name) as folder:
        (folder / "file").write_text(content)


def test_written_folders_can_be_fetched(store: Store, tmp_path: Path) -> None:
    write(store, "one", "first")
    write(store.at("below"), "two", "second")
    assert (store.fetch("one", tmp_path / "cache") / "file").read_text() == "first"
    assert (store.at("below").fetch("two", tmp_path / "cache") / "file").read_text() == "second"
    assert store.list_folders() == ["below", "one"]


def test_fetching_a_missing_folder_is_an_error_and_leaves_no_copy(store: Store, tmp_path: Path) -> None:
    store.replace("card", b"")
    with pytest.raises(FileNotFoundError):
        _ = (store.fetch("none", tmp_path / "cache") / "file").read_text()
    assert not list((tmp_path / "cache").glob("*/*"))


def test_a_small_file_is_replaced(store: Store) -> None:
    assert store.read("card") is None
    store.replace("card", b"old")
    store.replace("card", b"new")
    assert store.read("card") == b"new"


def test_a_removed_folder_is_not_listed(store: Store) -> None:
    assert store.list_folders() == []
    write(store, "one", "first")
    store.remove("one")
    assert store.list_folders() == []


def test_keep_only_removes_other_folders_from_the_cache_but_not_from_the_store(store: Store, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in ("one", "two"):
        write(store, name, name)
        store.fetch(name, cache)
    store.keep_only({"two"}, cache)
    kept = {file.parent.name for file in cache.rglob("file")}
    assert kept == (set() if store.is_local else {"two"})
    assert store.list_folders() == ["one", "two"]


def test_a_folder_in_an_object_store_is_not_local() -> None:
    store = Store.of("s3a://bucket/lake/_index?region=eu-west-1")
    assert (store.filesystem.type_name, store.path, store.is_local) == ("s3", "bucket/lake/_index", False)

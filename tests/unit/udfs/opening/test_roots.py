from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from udfs.opening.roots import Roots, resolve_uri, split_uri

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("uri", "base", "absolute"),
    [
        ("a.mp4", "/data", "/data/a.mp4"),
        ("sub/a.mp4", "/data", "/data/sub/a.mp4"),
        ("/elsewhere/a.mp4", "/data", "/elsewhere/a.mp4"),
        ("../a.mp4", "/data", "/data/../a.mp4"),
        ("a b'\"#?%20.mp4", "/data", "/data/a b'\"#?%20.mp4"),
        ("größe-動画.mp4", "/data", "/data/größe-動画.mp4"),
        ("C:a.mp4", "/data", "/data/C:a.mp4"),
        ("C://a.mp4", "/data", "/data/C:/a.mp4"),
        ("a:b.mp4", "/data", "/data/a:b.mp4"),
        ("concat:a|b", "/data", "/data/concat:a|b"),
        ("file:a.mp4", "/data", "/data/file:a.mp4"),
        ("profile:/a.mp4", "/data", "/data/profile:/a.mp4"),
        ("a.mp4", "file:///data%20lake", "/data lake/a.mp4"),
        ("a.mp4", "file:/data", "/data/a.mp4"),
        ("file:///data/a%20b.mp4", "/data", "file:///data/a%20b.mp4"),
        ("file:/data/a.mp4", "/data", "file:///data/a.mp4"),
        ("http://host/a.mp4", "/data", "http://host/a.mp4"),
        ("S3://bucket/a.mp4", "/data", "S3://bucket/a.mp4"),
        ("a b%20#?.mp4", "s3://bucket/folder", "s3://bucket/folder/a%20b%2520%23%3F.mp4"),
        ("./sub//a.mp4", "s3://bucket/folder/", "s3://bucket/folder/sub/a.mp4"),
        ("a.mp4", "s3://bucket/folder?region=eu-west-1", "s3://bucket/folder/a.mp4"),
        ("/local/a.mp4", "s3://bucket/folder", "/local/a.mp4"),
        ("", "/data", ""),
    ],
)
def test_a_uri_is_made_absolute(uri: str, base: str, absolute: str) -> None:
    assert resolve_uri(uri, base) == absolute


def test_resolving_an_absolute_uri_again_does_not_change_it() -> None:
    once = resolve_uri("a b%20.mp4", "s3://bucket/folder")
    assert resolve_uri(once, "/other") == once


def test_a_relative_base_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_uri("a.mp4", "lake") == f"{tmp_path}/lake/a.mp4"


@pytest.mark.parametrize(
    "place",
    [
        "relative/folder",
        "",
        "file://otherhost/data",
        "http://host/data",
        "concat://a",
        "s3://",
        "s3:///no-bucket",
        "s3://bucket/a/../b",
        "s3://bucket/a//b",
        "s3://bucket/%2E%2E/b",
    ],
)
def test_an_ambiguous_root_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="root"):
        Roots.of(place)


def test_only_local_roots_given_as_uris_are_percent_decoded() -> None:
    roots = Roots.of("/data/a%20b", "file:///data/a%20b", "file://localhost/x")
    assert roots.local_folders == ("/data/a%20b", "/data/a b", "/x")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("s3://bucket/clips/a.mp4", "clips/a.mp4"),
        ("s3a://bucket/clips/a.mp4", "clips/a.mp4"),
        ("s3://bucket/clips/deep/a%20b.mp4", "clips/deep/a b.mp4"),
        ("s3://bucket/clips/a.mp4?endpoint_override=evil", "clips/a.mp4?endpoint_override=evil"),
        ("gs://whole/a.mp4", "a.mp4"),
        ("gcs://whole/a.mp4", "a.mp4"),
        ("s3://bucket/clips-secret/a.mp4", None),
        ("s3://bucket/clips/../secret/a.mp4", None),
        ("s3://bucket/clips/%2e%2e/secret/a.mp4", None),
        ("s3://bucket/clips/..%2Fsecret/a.mp4", None),
        ("s3://bucket/clips//a.mp4", None),
        ("s3://bucket/clips/./a.mp4", None),
        ("s3://bucket/clips/a%00.mp4", None),
        ("s3://bucket/clips/", None),
        ("s3://bucket/a.mp4", None),
        ("s3://other/clips/a.mp4", None),
        ("s3://user:key@bucket/clips/a.mp4", None),
        ("s3://bucket?endpoint_override=evil/clips/a.mp4", None),
        ("gs://bucket/clips/a.mp4", None),
        ("gs://whole", None),
    ],
)
def test_remote_roots_are_compared_by_whole_components(uri: str, path: str | None) -> None:
    roots = Roots.of("s3://bucket/clips/?region=eu-west-1", "gs://whole")
    split = split_uri(uri)
    assert split is not None
    found = roots.find_remote(split)
    assert (found and found[1]) == path


def test_the_options_of_a_root_come_only_from_the_config() -> None:
    (root,) = Roots.of("s3a://bucket/clips?endpoint_override=minio:9000").remote
    assert root.filesystem_uri == "s3://bucket/?endpoint_override=minio:9000"
    assert root.components == ("clips",)


@pytest.mark.parametrize(
    ("uri", "folders", "prefixes"),
    [
        ("/videos/a b/%20.mp4", ["/root", "/videos/a b"], []),
        ("/a.mp4", ["/root", "/"], []),
        ("file:///videos/a%20b/c.mp4", ["/root", "/videos/a b"], []),
        ("s3://bucket/a/b.mp4", ["/root"], [("bucket", ("a",))]),
        ("s3://bucket/b.mp4", ["/root"], [("bucket", ())]),
        ("http://host/a.mp4", ["/root"], []),
        ("file://host/a/b.mp4", ["/root"], []),
        ("", ["/root"], []),
        (None, ["/root"], []),
    ],
)
def test_the_folder_of_a_described_video_may_be_read_too(
    uri: str | None, folders: list[str], prefixes: list[tuple[str, tuple[str, ...]]]
) -> None:
    roots = Roots.of("/root").add_folder_of(uri)
    assert list(roots.local_folders) == folders
    assert [(root.authority, root.components) for root in roots.remote] == prefixes

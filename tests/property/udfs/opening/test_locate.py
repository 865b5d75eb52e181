from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.errors import RowError
from udfs.opening.locate import Roots, open_video, resolve_uri
from udfs.opening.roots import split_uri

if TYPE_CHECKING:
    from pathlib import Path

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # with surrogates and NUL
PIECES = st.sampled_from(
    ["..", ".", "", "a.mp4", "sub", "out", "in", "secret", "%2e%2e", "%2F", "..%2Fsecret", "%00", "root", "x" * 300]
)
SCHEMES = st.sampled_from(["", "/", "file:", "file:///", "file://localhost/", "FILE:/", "s3://root/", "http://", "C:"])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with links within it and out of it, next to a folder that is not a root."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("root/sub", "secret"):
        (tree / name).mkdir(parents=True)
        (tree / name / "a.mp4").write_bytes(name.encode())
    (tree / "root" / "a.mp4").write_bytes(b"root")
    (tree / "root" / "out").symlink_to(tree / "secret")
    (tree / "root" / "in").symlink_to("sub")
    (tree / "root" / "sub" / "out").symlink_to("../../secret/a.mp4")
    return tree


def open_or_refuse(uri: str, root: Path) -> str | None:
    try:
        with open_video(uri, Roots.of(str(root)), 1000) as opened:
            return os.path.realpath(f"/proc/self/fd/{opened.fd}")
    except RowError as error:
        error.detail.encode("utf-8")
        return None


@settings(deadline=None)  # the machine may be busy
@given(scheme=SCHEMES, pieces=st.lists(PIECES | ANY_TEXT, max_size=6), with_tree=st.booleans())
def test_no_uri_opens_a_file_outside_of_the_root(tree: Path, scheme: str, pieces: list[str], with_tree: bool) -> None:
    prefix = str(tree / "root").lstrip("/") + "/" if with_tree else ""
    for uri in (scheme + prefix + "/".join(pieces), resolve_uri(scheme + "/".join(pieces), str(tree / "root"))):
        opened = open_or_refuse(uri, tree / "root")
        assert opened is None or opened.startswith(f"{tree}/root/")


@settings(deadline=None)  # the machine may be busy
@given(name=ANY_TEXT.filter(lambda name: name and split_uri(name) is None and name[0] != "/"))
def test_a_relative_path_resolves_to_the_same_literal_name_on_every_store(name: str) -> None:
    plain = "/".join(piece for piece in name.split("/") if piece not in {"", "."})
    remote = resolve_uri(name, "s3://bucket/base?region=x")
    assert "?" not in remote
    assert unquote(remote, errors="surrogatepass") == f"s3://bucket/base/{plain}"
    assert resolve_uri(name, "/base") == f"/base/{plain}".removesuffix("/")

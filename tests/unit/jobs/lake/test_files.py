"""Replacing a folder when the file system refuses a rename without raising, as Hadoop's file systems may."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.errors import NdvrError
from jobs.lake.files import LakeFiles


class FakeFileSystem:
    """A file system that holds names only and refuses to rename one of them."""

    def __init__(self, names: set[str], refused: str) -> None:
        self.names = names
        self.refused = refused

    def exists(self, path: str) -> bool:
        return path in self.names

    def rename(self, source: str, target: str) -> bool:
        if source == self.refused:
            return False
        self.names = (self.names - {source}) | {target}
        return True


@pytest.mark.parametrize("refused", ["staged", "target"])
def test_a_refused_rename_leaves_the_previous_folder_in_place(refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeFileSystem({"staged", "target"}, refused)

    def open_fake(_files: LakeFiles, uri: str) -> tuple[Any, Any]:
        return fake, uri

    monkeypatch.setattr(LakeFiles, "open", open_fake)
    files = LakeFiles(None)  # type: ignore[arg-type]  # no session is needed
    message = rf"could not rename {refused} to \S+: check the write permissions of both folders"
    with pytest.raises(NdvrError, match=message):
        files.replace_folder("staged", "target")
    assert fake.names == {"staged", "target"}

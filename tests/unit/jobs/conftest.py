"""Fixtures of a lake with an index of three videos in two shards; two of the videos are in one cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.demo.editing.edits import EDITS
from jobs.demo.editing.transcode import apply_edit
from tests.support.catalogue import make_scene
from tests.support.indexes import embed_videos, write_index

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return videos by name; `upload` is a copy of `discs` that is not in the lake."""
    folder = tmp_path_factory.mktemp("videos")
    made = {scene: make_scene(folder / f"{scene}.mp4", scene) for scene in ("discs", "tiles", "glow", "stripes")}
    for name, edit in (("discs-small", "resize-50"), ("upload", "caption")):
        made[name] = folder / f"{name}.mp4"
        apply_edit(made["discs"], made[name], EDITS[edit])
    return made


@pytest.fixture(scope="session")
def embedded(videos: dict[str, Path]) -> dict[str, list[dict[str, object]]]:
    """Return rows of `embeddings` of the videos in the lake, by video_id."""
    rows = embed_videos({name: videos[name] for name in ("discs", "discs-small", "tiles", "glow")})
    by_id: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        by_id.setdefault(str(row["video_id"]), []).append(row)
    return by_id


@pytest.fixture(scope="session")
def indexed_lake(embedded: dict[str, list[dict[str, object]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake whose index has all videos except `glow`; `discs` is the keeper of the cluster of both discs."""
    lake = tmp_path_factory.mktemp("indexed") / "lake"
    shards = ([*embedded["discs-small"], *embedded["tiles"]], embedded["discs"])
    write_index(lake, shards, keepers={"discs": "discs", "discs-small": "discs"})
    return lake

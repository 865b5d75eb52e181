"""The peers of the accuracy benchmark: their rules on literal hashes, and their handling of unreadable videos."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.accuracy import peers
from benchmarks.accuracy.peers import (
    Peer,
    PeerUnavailableError,
    hash_videos,
    make_environment,
    score_by_videohash,
    score_by_vpdq,
)

ZEROS, ONES = "0" * 64, "f" * 64


def with_ones(number: int) -> str:
    """Return a PDQ hash at this Hamming distance from `ZEROS`."""
    return f"{(1 << number) - 1:064x}"


def test_videohash_scores_every_pair_by_the_share_of_equal_bits() -> None:
    hashes = {"b": [(100, f"{0b1111:016x}")], "a": [(100, "0" * 16)], "c": [(100, "f" * 16)]}
    assert score_by_videohash(hashes).to_dict("split")["data"] == [
        ["a", "b", 0.9375],
        ["a", "c", 0.0],
        ["b", "c", 0.0625],
    ]


def test_a_pdq_frame_matches_up_to_a_distance_of_31() -> None:
    near, far = {"a": [(100, ZEROS)], "b": [(100, with_ones(31))]}, {"a": [(100, ZEROS)], "b": [(100, with_ones(32))]}
    assert score_by_vpdq(near).to_dict("split")["data"] == [["a", "b", 1.0]]
    assert score_by_vpdq(far).empty


def test_the_larger_share_of_matching_frames_is_the_score() -> None:
    hashes = {
        "long": [(90, ZEROS), (90, ONES), (90, with_ones(128)), (90, ONES)],
        "short": [(80, with_ones(3)), (80, with_ones(64))],
    }
    assert score_by_vpdq(hashes).to_dict("split")["data"] == [["long", "short", 0.5]], "1 of 4 and 1 of 2"


def test_frames_of_low_quality_are_left_out_and_a_video_without_other_frames_has_no_pairs() -> None:
    hashes = {"a": [(49, ZEROS), (50, ONES)], "b": [(100, ZEROS)], "c": [(100, ONES)], "d": [(10, ONES)]}
    assert score_by_vpdq(hashes).to_dict("split")["data"] == [["a", "c", 1.0]]
    assert score_by_vpdq({"d": [(10, ONES)]}).empty


def test_a_video_that_a_peer_rejects_is_recorded_and_not_tried_again(tmp_path: Path) -> None:
    hashes, unreadable = hash_videos("videohash", Path(sys.executable), {"a": "a.mp4", "b": "b.mp4"}, tmp_path)
    assert hashes == {}
    assert unreadable.keys() == {"a", "b"}
    assert unreadable["a"].startswith("ModuleNotFoundError: No module named 'videohash'"), (
        "the package is not in this environment"
    )
    hash_videos("videohash", Path(sys.executable), {"a": "a.mp4", "b": "b.mp4"}, tmp_path)
    assert len((tmp_path / "hashes.jsonl").read_text().splitlines()) == 2


def test_other_videos_are_hashed_if_the_peers_process_dies_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "videos, out = json.loads(pathlib.Path(sys.argv[2]).read_text()), pathlib.Path(sys.argv[3])\n"
        "text = out.read_text() if out.exists() else ''\n"
        "with out.open('a') as file:\n"
        "    for video_id in videos:\n"
        "        if f'\"{video_id}\"' in text: continue\n"
        "        if video_id == 'b': os._exit(9)\n"
        "        print(json.dumps({'video_id': video_id, 'hashes': [[100, '00']]}), file=file, flush=True)\n"
    )
    monkeypatch.setattr(peers, "_SCRIPT", script)
    hashes, unreadable = hash_videos("any", Path(sys.executable), dict.fromkeys("abc", "x.mp4"), tmp_path)
    assert hashes == {"a": [(100, "00")], "c": [(100, "00")]}
    assert unreadable == {"b": "the process ended with 9"}


def test_hashes_of_videos_that_are_not_in_the_manifest_are_left_out(tmp_path: Path) -> None:
    line = json.dumps({"video_id": "other", "hashes": [[100, "00"]]})
    (tmp_path / "hashes.jsonl").write_text(f"{line}\n")
    assert hash_videos("vpdq", Path(sys.executable), {}, tmp_path) == ({}, {})


def test_the_error_of_a_failed_installation_names_the_packages(tmp_path: Path) -> None:
    peer = Peer("absent", (str(tmp_path / "no-such-package"),), score_by_vpdq, 0.5)
    with pytest.raises(PeerUnavailableError, match=r"(?s)peer 'absent' \(.*no-such-package\) cannot be installed: .+"):
        make_environment(peer, tmp_path)


def test_installed_packages_are_not_installed_again(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "installed.txt").write_text("one==1\ntwo==2")
    python = make_environment(Peer("p", ("one==1", "two==2"), score_by_vpdq, 0.5), tmp_path)
    assert python == tmp_path / "env" / "bin" / "python"

"""The formats of published data sets, each in a file of a few lines."""

from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from jobs.errors import ContractError, UsageError
from jobs.evaluation.published import load_cc_web, load_fivr, load_svd, load_vcdb
from jobs.evaluation.ranking import measure_mean_average_precision
from jobs.evaluation.truth import SEGMENT_COLUMNS, Query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CC_WEB = {
    "index": {"1/1_1_Y": 0, "1/1_2_Y": 1, "1/1_3_Y": 2, "2/2_1_Y": 3, "1/1_4_Y": 4},
    "queries": ["1/1_1_Y", "2/2_1_Y"],
    "ground_truth": [{0: "E", 1: "S", 2: "X", 4: "L"}, {3: "E", 0: "-1", 2: "V"}],
    "excluded": [{4}, set()],
}
# Written by Python 2, like the file of MKLab-ITI/ndvr-dml: text, a list as index, and numbers as videos.
CC_WEB_OF_NDVR_DML = b"""(dp0
S'index'
p1
(lp2
S''
aS'1_1_Y'
aS'1_2_Y'
aS'1_3_Y'
asS'ground_truth'
(lp3
(dp4
I1
S'E'
sI2
S'M'
sI3
S'x'
sasS'queries'
(lp5
I1
as."""


def write_pickle(path: Path, content: Any) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def rows_of(pairs: pd.DataFrame | None) -> list[list[Any]]:
    assert pairs is not None
    columns = ["left_id", "right_id", "relation", "transform", *SEGMENT_COLUMNS]
    return pairs[columns].astype(object).where(pairs[columns].notna(), None).to_numpy().tolist()


def test_cc_web_has_four_variants(tmp_path: Path) -> None:
    rankings = load_cc_web(write_pickle(tmp_path / "cc_web_video.pickle", CC_WEB)).rankings
    assert list(rankings) == ["cc_web", "cc_web*", "cc_web_c", "cc_web_c*"]
    first, second = rankings["cc_web"]
    positives, negatives = frozenset({"1/1_1_Y", "1/1_2_Y", "1/1_4_Y"}), frozenset({"1/1_3_Y"})
    assert first == Query("1/1_1_Y", positives, negatives, frozenset(), is_closed=True)
    assert second == Query(
        "2/2_1_Y", frozenset({"2/2_1_Y", "1/1_3_Y"}), frozenset({"1/1_1_Y"}), frozenset(), is_closed=True
    )
    assert rankings["cc_web*"][0] == Query("1/1_1_Y", positives, negatives)
    left_out = frozenset({"1/1_4_Y"})
    assert rankings["cc_web_c"][0] == Query("1/1_1_Y", positives - left_out, negatives, left_out, is_closed=True)
    assert rankings["cc_web_c*"][0] == Query("1/1_1_Y", positives - left_out, negatives, left_out)


def test_map_of_cc_web_equals_that_of_its_code(tmp_path: Path) -> None:
    """Ranking of the first query: itself, 2_1, 1_4, 1_3, 1_2; of the second: itself, 1_1, 1_3."""
    rankings = load_cc_web(write_pickle(tmp_path / "cc_web_video.pickle", CC_WEB)).rankings
    found = [("1/1_1_Y", "2/2_1_Y"), ("1/1_1_Y", "1/1_4_Y"), ("1/1_1_Y", "1/1_3_Y"), ("1/1_1_Y", "1/1_2_Y")]
    pairs = pd.DataFrame([*found, ("1/1_3_Y", "2/2_1_Y")], columns=["left_id", "right_id"])
    pairs["score"] = [0.9, 0.8, 0.7, 0.6, 0.5]
    second = (1 + 2 / 3) / 2
    expected = {
        "cc_web": ((1 + 2 / 2 + 3 / 4) / 3 + second) / 2,
        "cc_web*": ((1 + 2 / 3 + 3 / 5) / 3 + second) / 2,
        "cc_web_c": ((1 + 2 / 3) / 2 + second) / 2,
        "cc_web_c*": ((1 + 2 / 4) / 2 + second) / 2,
    }
    scores = {variant: measure_mean_average_precision(pairs, queries) for variant, queries in rankings.items()}
    assert scores == pytest.approx(expected)


def test_cc_web_of_ndvr_dml_has_no_mislabelled_videos(tmp_path: Path) -> None:
    path = tmp_path / "cc_web_video.pickle"
    path.write_bytes(CC_WEB_OF_NDVR_DML)
    rankings = load_cc_web(path).rankings
    query = Query("1_1_Y", frozenset({"1_1_Y", "1_2_Y"}), frozenset({"1_3_Y"}))
    assert rankings["cc_web*"] == (query,)
    assert list(rankings) == ["cc_web", "cc_web*"]


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    path = write_pickle(tmp_path / "cc_web_video.pickle", Hostile())
    message = "cannot be read as a pickle of plain containers: it contains posix.mkdir, which is not allowed"
    with pytest.raises(ContractError, match=message):
        load_cc_web(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x02}q\x00(X\x05"])
def test_a_file_that_is_not_a_pickle_is_rejected(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cc_web_video.pickle"
    path.write_bytes(content)
    with pytest.raises(ContractError, match="cannot be read as a pickle of plain containers: "):
        load_cc_web(path)


def test_a_pickle_of_another_structure_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "x.pickle"
    with pytest.raises(ContractError, match=r"lacks the key\(s\) queries, ground_truth"):
        load_cc_web(write_pickle(path, {"index": {}}))
    with pytest.raises(ContractError, match=r"lacks the key\(s\) index, queries, ground_truth"):
        load_cc_web(write_pickle(path, [1]))
    with pytest.raises(ContractError, match=r"does not have the structure of cc_web_video\.pickle: "):
        load_cc_web(write_pickle(path, CC_WEB | {"ground_truth": []}))
    with pytest.raises(ContractError, match=r"does not have the structure of cc_web_video\.pickle: KeyError\(9\)"):
        load_cc_web(write_pickle(path, CC_WEB | {"ground_truth": [{9: "E"}, {}]}))
    with pytest.raises(ContractError, match=r"lacks the key\(s\) video_pairs"):
        load_vcdb(write_pickle(path, {"index": []}))
    with pytest.raises(ContractError, match=r"does not have the structure of vcdb\.pickle: IndexError"):
        load_vcdb(write_pickle(path, {"index": [], "video_pairs": [{"videos": [0, 1], "overlap": [1, 1]}]}))


@pytest.mark.parametrize("load", [load_cc_web, load_vcdb, load_fivr, load_svd])
def test_a_missing_file_is_a_usage_error(load: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"truth .*nowhere' does not exist; give --truth an existing file"):
        load(tmp_path / "nowhere")


def test_vcdb_annotations_are_segments_of_partial_copies(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(
        "b.flv,a.mp4,00:00:10,00:01:00,01:00:00,01:00:50\n\na.mp4,a.mp4,0:0:0,0:0:9,0:0:0,0:0:9\n"
    )
    (tmp_path / "two.txt").write_text("c.flv, d.flv, 00:00:00, 00:00:05, 00:00:02, 00:00:07\n")
    assert rows_of(load_vcdb(tmp_path).pairs) == [
        ["a", "b", "partial", "", 3600.0, 3650.0, 10.0, 60.0],
        ["c", "d", "partial", "", 0.0, 5.0, 2.0, 7.0],
    ]
    assert rows_of(load_vcdb(tmp_path / "two.txt").pairs) == [["c", "d", "partial", "", 0.0, 5.0, 2.0, 7.0]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,b,00:00:01", "line 2 'a,b,00:00:01': a line must be videoA,videoB,startA,endA,startB,endB, got 3 cells"),
        ("a,b,0:0:1,9,0:0:1,0:0:2", "line 2 .*: times must be hh:mm:ss, got '9'"),
        ("a,b,0:0:1,0:0:x,0:0:1,0:0:2", "line 2 .*: times must be hh:mm:ss, got '0:0:x'"),
    ],
)
def test_the_error_for_an_invalid_line_of_vcdb_has_the_line(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "event.txt"
    path.write_text(f"a,b,0:0:0,0:0:1,0:0:0,0:0:1\n{line}\n")
    with pytest.raises(ContractError, match=message):
        load_vcdb(path)


def test_a_folder_without_annotations_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no \.txt files; give --truth the annotation folder of VCDB"):
        load_vcdb(tmp_path)


def test_pairs_of_the_vcdb_pickle_are_copies_if_both_videos_overlap_enough(tmp_path: Path) -> None:
    overlaps = [(0, 1, [0.9, 0.81]), (2, 0, [0.9, 0.8]), (1, 1, [1.0, 1.0])]
    content = {"index": ["b.flv", "a", "c"], "video_pairs": [{"videos": [i, j], "overlap": o} for i, j, o in overlaps]}
    nothing = [None] * 4
    assert rows_of(load_vcdb(write_pickle(tmp_path / "vcdb.pickle", content)).pairs) == [
        ["a", "b", "copy", "", *nothing],
        ["b", "c", "partial", "", *nothing],
    ]


def test_a_vcdb_pickle_may_have_no_pairs(tmp_path: Path) -> None:
    assert rows_of(load_vcdb(write_pickle(tmp_path / "vcdb.pickle", {"index": [], "video_pairs": []})).pairs) == []


@pytest.mark.parametrize("number", [np.float64(0.9), np.float32(0.9), np.dtype(">f8").type(0.9)])
def test_numpy_numbers_are_read_without_numpy(number: np.generic, tmp_path: Path) -> None:
    path = tmp_path / "vcdb.pickle"
    pair = {"videos": [np.int64(0), np.int32(1)], "overlap": (number, number)}
    path.write_bytes(pickle.dumps({"index": ["a", "b"], "video_pairs": [pair]}, protocol=4))
    assert [row[2] for row in rows_of(load_vcdb(path).pairs)] == ["copy"]


def test_numpy_numbers_written_by_python_2_are_read(tmp_path: Path) -> None:
    """Python 2 pickles the bytes of .9 as text. Some are above 127."""
    raw = b"\xcd\xcc\xcc\xcc\xcc\xcc\xec?"
    scalar = (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\x02f8K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08"
        + raw
        + b"tR"
    )
    path = tmp_path / "vcdb.pickle"
    pair = b"}(U\x06videos](K\x00K\x01eU\x07overlap](" + scalar + b"G?\xec\xcc\xcc\xcc\xcc\xcc\xcdeu"
    path.write_bytes(b"\x80\x02}(U\x05index](U\x01aU\x01beU\x0bvideo_pairs](" + pair + b"eu.")
    assert [row[:3] for row in rows_of(load_vcdb(path).pairs)] == [["a", "b", "copy"]]


def test_fivr_has_three_variants_with_increasing_sets_of_positives(tmp_path: Path) -> None:
    path = tmp_path / "annotation.json"
    path.write_text(
        json.dumps({"q": {"ND": ["a", "a"], "DS": ["b", "q"], "CS": ["c"], "DA": ["x"]}, "r": {"IS": ["d"]}})
    )
    rankings = load_fivr(path).rankings
    assert rankings == {
        "dsvr": (Query("q", frozenset("ab")), Query("r", frozenset())),
        "csvr": (Query("q", frozenset("abc")), Query("r", frozenset())),
        "isvr": (Query("q", frozenset("abc")), Query("r", frozenset("d"))),
    }


@pytest.mark.parametrize("content", ["", "[1]", '{"q": ["a"]}', '{"q": {"ND": 1}}'])
def test_a_file_that_is_not_an_annotation_of_fivr_is_rejected(content: str, tmp_path: Path) -> None:
    path = tmp_path / "annotation.json"
    path.write_text(content)
    with pytest.raises(ContractError, match=r"does not have the structure of FIVR's annotation\.json: "):
        load_fivr(path)


def test_only_spaces_tabs_and_line_feeds_separate_ids(tmp_path: Path) -> None:
    odd = "a\u00a0b\u2028c\x85d\x1ce"
    svd, vcdb = tmp_path / "test_groundtruth", tmp_path / "event.txt"
    svd.write_text(f"{odd}.mp4 \t2.mp4 1\r\n", encoding="utf-8", newline="")
    vcdb.write_text(f" {odd}.mp4,z.mp4,0:0:0,0:0:1,0:0:0,0:0:1\r\n", encoding="utf-8", newline="")
    assert load_svd(svd).rankings["svd"][0].query_id == f"{odd}.mp4"
    assert rows_of(load_vcdb(vcdb).pairs) == [[odd, "z", "partial", "", 0.0, 1.0, 0.0, 1.0]]


def test_svd_does_not_rank_the_candidates_of_other_queries(tmp_path: Path) -> None:
    path = tmp_path / "test_groundtruth"
    path.write_text("1.mp4 2.mp4 1\n1.mp4 3.mp4 0\n4.mp4 5.mp4 1\n")
    rankings = load_svd(path).rankings
    mentioned = frozenset(f"{number}.mp4" for number in range(1, 6))
    first = Query("1.mp4", frozenset({"2.mp4"}), frozenset({"3.mp4"}), mentioned)
    assert rankings["svd"] == (first, Query("4.mp4", frozenset({"5.mp4"}), frozenset(), mentioned))
    assert [first.get_label(f"{number}.mp4") for number in (2, 3, 5, 6)] == [True, False, None, False]
    assert [rankings["svd_labelled"][0].get_label(f"{number}.mp4") for number in (2, 3, 5, 6)] == [
        True,
        False,
        None,
        None,
    ]


@pytest.mark.parametrize("line", ["1.mp4 2.mp4", "1.mp4 2.mp4 2", "1.mp4 2.mp4 1 0"])
def test_the_error_for_an_invalid_line_of_svd_has_the_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "test_groundtruth"
    path.write_text(f"1.mp4 2.mp4 1\n{line}\n")
    with pytest.raises(ContractError, match=f"line 2 '{line}': a line must be a query, a candidate, and 0 or 1"):
        load_svd(path)

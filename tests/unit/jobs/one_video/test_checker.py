"""The answer about one video, with an index of a few videos."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

import ndvr
from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.config.settings import Config
from jobs.errors import ContractError, TimeLimitError, UnreadableVideoError, UsageError
from jobs.one_video.answer import choose_exact_match
from jobs.one_video.checker import Checker
from jobs.one_video.index.index_card import CARD_FILE, read_card
from tests.support.indexes import write_index
from udfs.indexing.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def lake(indexed_lake: Path) -> Iterator[ndvr.Lake]:
    with ndvr.open(indexed_lake) as opened:
        yield opened


def test_the_original_of_a_copy_is_the_keeper(lake: ndvr.Lake, videos: dict[str, Path]) -> None:
    answer = lake.query(videos["upload"])
    assert (answer.is_duplicate, answer.original) == (True, "discs")
    assert {match.video_id for match in answer.matches if match.is_duplicate} == {"discs", "discs-small"}
    best = answer.matches[0]
    assert best.relation == "copy"
    assert best.match_probability == answer.match_probability >= answer.min_match_probability
    assert (best.start_seconds, best.end_seconds) == pytest.approx((0, 2), abs=0.3)
    assert (best.match_start_seconds, best.match_end_seconds) == pytest.approx((0, 2), abs=0.3)
    assert best.evidence["alignment_similarity"] > 0.15


def test_an_unrelated_video_is_not_a_duplicate(lake: ndvr.Lake, videos: dict[str, Path]) -> None:
    answer = lake.query(videos["stripes"])
    assert (answer.is_duplicate, answer.original) == (False, None)
    assert answer.match_probability < answer.min_match_probability


def test_an_identical_file_is_a_duplicate_with_probability_1(lake: ndvr.Lake, videos: dict[str, Path]) -> None:
    answer = lake.query(videos["discs-small"])
    assert (answer.is_duplicate, answer.original, answer.match_probability) == (True, "discs", 1.0)
    assert answer.exact_match == "discs-small"


def test_the_cluster_of_an_identical_file_is_listed(lake: ndvr.Lake, videos: dict[str, Path]) -> None:
    answer = lake.query(videos["discs-small"])
    exact, other = answer.matches[:2]
    assert (exact.video_id, exact.is_exact, exact.match_probability, exact.evidence) == ("discs-small", True, 1.0, {})
    assert (other.video_id, other.is_exact, other.cluster_id) == ("discs", False, exact.cluster_id)
    assert other.evidence
    assert answer.min_match_probability <= other.match_probability < 1
    assert answer.num_compared == 1


def test_the_pairs_of_identical_files_have_equal_numbers(lake: ndvr.Lake, videos: dict[str, Path]) -> None:
    """Runs compare the video with the smallest id. As `a`, `discs-small` would be the left side of its pairs."""
    stored = lake.query(videos["discs-small"], "discs-small")
    later = lake.query(videos["discs-small"], "zz")
    assert later.matches[1:] == stored.matches
    assert later.exact_match == "discs-small"
    assert stored.exact_match is None


def test_a_keeper_is_preferred_among_identical_files() -> None:
    facts: dict[str, Any] = dict.fromkeys((field.name for field in fields(ndvr.Match)), 1.0)
    kept = ndvr.Match(**facts | {"video_id": "b", "keeper_id": "b", "is_exact": True})
    other = ndvr.Match(**facts | {"video_id": "a", "keeper_id": "b", "is_exact": True})
    compared = ndvr.Match(**facts | {"video_id": "0", "keeper_id": "0", "is_exact": False})
    assert choose_exact_match((compared, other, kept)) == "b"
    assert choose_exact_match((compared, other)) == "a"
    assert choose_exact_match((compared,)) is None


def test_a_video_is_not_compared_with_itself(lake: ndvr.Lake, videos: dict[str, Path]) -> None:
    assert not lake.query(videos["tiles"], "tiles").is_duplicate
    assert "tiles" not in {match.video_id for match in lake.query(videos["tiles"], "tiles").matches}


def test_the_keeper_of_a_cluster_is_not_a_duplicate_of_its_copies(lake: ndvr.Lake, videos: dict[str, Path]) -> None:
    assert lake.query(videos["discs-small"], "discs-small").original == "discs"
    answer = lake.query(videos["discs"], "discs")
    assert answer.matches[0].video_id == "discs-small"
    assert answer.match_probability >= answer.min_match_probability
    assert not answer.is_duplicate


def test_the_id_decides_the_side_of_a_video(lake: ndvr.Lake, videos: dict[str, Path]) -> None:
    unnamed, last = lake.query(videos["upload"]), lake.query(videos["upload"], "zz")
    assert unnamed.matches == last.matches
    first = lake.query(videos["upload"], "a")
    assert first.match_probability == pytest.approx(last.match_probability, abs=0.1)


def test_an_unreadable_video_raises_its_error_code(lake: ndvr.Lake, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video\n" * 20)
    with pytest.raises(UnreadableVideoError, match="NOT_A_VIDEO") as caught:
        lake.query(tmp_path / "text.mp4")
    assert caught.value.code == "NOT_A_VIDEO"
    with pytest.raises(UnreadableVideoError, match="NOT_FOUND"):
        lake.query(tmp_path / "none.mp4")


def test_a_removed_video_is_not_found_and_a_new_index_is_opened(
    embedded: Rows, videos: dict[str, Path], tmp_path: Path
) -> None:
    shard = [row for name in ("discs", "glow") for row in embedded[name]]
    write_index(tmp_path, [shard], dead=frozenset({"discs"}))
    with ndvr.open(tmp_path) as lake:
        assert not lake.query(videos["upload"]).is_duplicate
        assert not lake.query(videos["discs"]).is_duplicate
        assert not lake.refresh()
        write_index(tmp_path, [shard], version="20240502T120000Z-abcdef")
        assert lake.refresh()
        answer = lake.query(videos["upload"])
        assert (answer.original, answer.index_version) == ("discs", "20240502T120000Z-abcdef")


def test_a_refresh_applies_the_settings_of_a_later_run(embedded: Rows, videos: dict[str, Path], tmp_path: Path) -> None:
    write_index(tmp_path, [embedded["discs"]])
    with Checker(str(tmp_path)) as checker:
        found = checker.check(str(videos["upload"])).match_probability
        strict = Config(pairs={"min_match_probability": 1.0}, manifest={"roots": ["/elsewhere"]})
        write_index(tmp_path, [embedded["discs"]], version="20240502T120000Z-abcdef", config=strict)
        assert checker.refresh()
        answer = checker.check(str(videos["upload"]))
        assert answer.match_probability == found
        assert (answer.is_duplicate, answer.min_match_probability) == (found == 1.0, 1.0)


def test_concurrent_checks_return_the_same_answers(indexed_lake: Path, videos: dict[str, Path]) -> None:
    asked = [videos[name] for name in ("upload", "stripes", "glow", "upload")]
    with Checker(str(indexed_lake), num_at_once=2) as checker, ThreadPoolExecutor(4) as threads:
        alone = [checker.check(str(path)).matches for path in asked]
        assert [answer.matches for answer in threads.map(lambda path: checker.check(str(path)), asked)] == alone


def test_a_check_stops_at_the_time_limit(indexed_lake: Path, videos: dict[str, Path]) -> None:
    with Checker(str(indexed_lake)) as checker:
        checker.check(str(videos["upload"]))
        checker._time_limit_seconds = 0.0  # decoding has its own limit
        with pytest.raises(TimeLimitError, match="after 0 of 2 candidates"):
            checker.check(str(videos["upload"]))


def test_a_video_outside_the_roots_is_refused(indexed_lake: Path, videos: dict[str, Path], tmp_path: Path) -> None:
    with (
        Checker(str(indexed_lake), roots=(str(tmp_path),)) as checker,
        pytest.raises(UnreadableVideoError, match="OUTSIDE_ROOTS"),
    ):
        checker.check(str(videos["upload"]))


def test_a_lake_without_an_index_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no index in"):
        ndvr.open(tmp_path)


def test_a_model_that_does_not_compare_frames_is_refused(indexed_lake: Path) -> None:
    with pytest.raises(UsageError, match="query is not available"):
        ndvr.open(indexed_lake, Config(pairs={"min_cosine_similarity": 0.9}))


def test_settings_of_another_model_have_no_index(indexed_lake: Path) -> None:
    with pytest.raises(ContractError, match=r"no index of .*w8h2"):
        ndvr.open(indexed_lake, Config(embeddings={"window_seconds": 8}))


def test_an_index_of_another_format_or_with_missing_files_is_refused(embedded: Rows, tmp_path: Path) -> None:
    card = write_index(tmp_path, [embedded["tiles"]])
    store = Store.of(str(tmp_path / "_index" / card.model_id))
    store.replace(CARD_FILE, replace(card, listing="gone").to_json())
    with pytest.raises(ContractError, match=r"a file of the index in .* is missing"):
        ndvr.open(tmp_path)
    store.replace(CARD_FILE, b'{"format": 9}')
    with pytest.raises(ContractError, match="has format 9"):
        read_card(Store.of(str(tmp_path / "_index")), card.model_id)
    store.replace(CARD_FILE, b"[]")
    with pytest.raises(ContractError, match="not a card"):
        read_card(Store.of(str(tmp_path / "_index")), card.model_id)


def test_the_exit_code_of_the_command_is_the_answer(
    indexed_lake: Path, videos: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(videos["upload"].parent)
    lake = ["--lake", str(indexed_lake)]
    assert run_command(app, ["query", "upload.mp4", *lake]) == 10
    assert "duplicate of discs" in capsys.readouterr().out
    assert run_command(app, ["query", "stripes.mp4", *lake, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_duplicate"] is False
    assert run_command(app, ["query", "upload.mp4", *lake, "--json", "--top", "1"]) == 10
    assert len(json.loads(capsys.readouterr().out)["matches"]) == 1
    assert run_command(app, ["query", "discs-small.mp4", *lake]) == 10
    printed = capsys.readouterr().out
    assert "exact match: the file is identical to that of discs-small" in printed
    assert re.search(r"discs-small\W+discs\W+identical", printed)
    assert re.search(r"discs\W+discs\W+copy", printed)
    assert run_command(app, ["query", "none.mp4", *lake]) == 5
    assert capsys.readouterr().err.startswith("ndvr: NOT_FOUND: ")


@pytest.mark.slow
def test_no_jvm_is_started(indexed_lake: Path, videos: dict[str, Path]) -> None:
    code = (
        "import sys, ndvr\n"
        f"with ndvr.open({str(indexed_lake)!r}) as lake: print(lake.query({str(videos['upload'])!r}).original)\n"
        "from pyspark import SparkContext\n"
        "assert SparkContext._gateway is None and SparkContext._jvm is None\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("discs\n", 0), done.stderr

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from jobs.commands.report import prepare_folder
from jobs.errors import UsageError
from jobs.review.charts import bin_sizes
from jobs.review.cluster_selection import choose_illustrated, sort_clusters
from jobs.review.queue_selection import merge_pairs
from jobs.review.report_data import PastDecision, ReviewedCluster, ReviewedPair, ReviewedVideo
from tests.support.reports import ROW, RUN, make_cluster, make_pages, make_pair

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "Zoë 影片 \u202egpj.exe \u2028 \x85 \U0001f3ac \udc80",
)


class _Reader(HTMLParser):
    """Lists the elements of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def read_pages(folder: Path) -> dict[str, _Reader]:
    return {file.name: _Reader(file.read_text(encoding="utf-8")) for file in folder.glob("*.html")}


def select(*names: str, probability: float = 0.9, changed_in: str = RUN.run_id) -> ReviewedCluster:
    """Make a cluster as it is selected, the keeper first."""
    pairs = [ReviewedPair(name, names[0], ROW, None) for name in names[1:]]
    return ReviewedCluster(f"c-{names[0]}", len(names), probability, changed_in, names[0], "published first", pairs)


def test_ids_and_titles_are_only_in_the_data_as_ascii(tmp_path: Path) -> None:
    videos = [ReviewedVideo(text, title=text, owner_id=text, uri=f"/v/{text}.mp4") for text in HOSTILE]
    make_pages(make_cluster(*HOSTILE), tmp_path, videos)
    make_pages(make_cluster("a", "b", "c"), tmp_path / "plain")
    for name, page in read_pages(tmp_path).items():
        assert page.elements == read_pages(tmp_path / "plain")[name].elements
    text = (tmp_path / "queue-data-1.js").read_text(encoding="ascii")
    items = json.loads(text.removeprefix("ndvr.addPairs(").removesuffix(");\n"))
    assert {video["id"] for item in items for video in item["videos"]} == set(HOSTILE)


def test_a_page_loads_only_its_own_files(tmp_path: Path) -> None:
    make_pages([make_pair("a", "b")], tmp_path)
    pages = read_pages(tmp_path)
    assert set(pages) == {"index.html", "queue.html"}
    for page in pages.values():
        (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
            "base-uri 'none'; form-action 'none'"
        )
        assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on") or a == "style"]
        linked = [a.get(name) for _, a in page.elements for name in ("src", "href", "srcset") if name in a]
        files = {str(place).partition("#")[0] for place in linked} - {""}
        assert [file for file in files if not (tmp_path / file).is_file()] == []
        assert all(a.get("alt") for tag, a in page.elements if tag == "img")


def test_the_index_counts_the_pairs_that_wait_for_a_decision(tmp_path: Path) -> None:
    shown = make_pair("e", "f")
    shown.reasons = ()
    past = [
        PastDecision("a", "b", "part", "ann", "2024-05-02T00:00:00Z", 1),
        PastDecision("c", "d", None, "ann", "2024-05-02T00:00:00Z", 1),  # withdrawn
    ]
    make_pages([make_pair("a", "b"), make_pair("c", "d"), make_pair("g", "h"), shown], tmp_path, past=past)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Review 2 pairs</a>" in index
    assert "4 pairs can be shown" in index
    assert "ndvr decide --lake /data/lake --file decisions-" in index


def test_a_report_without_pairs_has_an_empty_queue(tmp_path: Path) -> None:
    make_pages([], tmp_path)
    assert "There are no pairs to review." in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_equal_pairs_result_in_equal_files(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        make_pages([make_pair("a", "b"), *make_cluster("c", "d", "e")], tmp_path / name)
        written.append({f.relative_to(tmp_path / name): f.read_bytes() for f in (tmp_path / name).rglob("*.*")})
    assert written[0] == written[1]


def test_a_pair_of_the_queue_is_not_listed_again_as_a_link_of_its_cluster() -> None:
    queued, link, other = make_pair("a", "b"), make_pair("b", "a"), make_pair("a", "c")
    assert merge_pairs([queued, link, other]) == [queued, other]


def test_clusters_are_sorted_by_certainty_size_and_age() -> None:
    old, large = select("o", "p", changed_in="20230101"), select("l", "m", "n", changed_in="20240101")
    doubtful = select("d", "e", probability=0.5, changed_in="20240601")
    clusters = [old, large, doubtful]
    assert sort_clusters(clusters, "least-certain")[0] is doubtful
    assert sort_clusters(clusters, "largest") == [large, doubtful, old]
    assert sort_clusters(clusters, "newest") == [doubtful, large, old]


def test_the_first_pair_of_each_cluster_gets_pictures_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.review.cluster_selection.MAX_ILLUSTRATED_PAIRS", 3)
    assert [pair.member_id for pair in choose_illustrated([select("a", "b", "c"), select("d", "e")])] == ["b", "e", "c"]


def test_large_cluster_sizes_are_grouped() -> None:
    assert bin_sizes({2: 5, 7: 1, 9: 2}) == {"2": 5, "3": 0, "4": 0, "5": 0, "6 to 10": 3}
    assert bin_sizes({}) == {}


def test_only_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "new")
    (tmp_path / "new" / "page.html").touch()
    prepare_folder(tmp_path / "new")
    assert not (tmp_path / "new" / "page.html").exists()
    with pytest.raises(UsageError, match="exists and is not a report; pass an empty or a new folder"):
        prepare_folder(tmp_path)

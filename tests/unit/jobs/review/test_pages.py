from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from jobs.commands.report import prepare_folder
from jobs.errors import UsageError
from jobs.review.charts import bin_sizes
from jobs.review.cluster_selection import MAX_PAIRS_PER_CLUSTER, choose_illustrated, sort_clusters
from jobs.review.pages import split_pages
from jobs.review.report_data import ReviewedPair, ReviewedVideo, Strip
from tests.support.reports import ROW, make_cluster, make_pages, make_part
from udfs.illustrating.pictures import MAX_STRIP_BYTES

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "</title><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "Zoë 影片 \u202egpj.exe \u2028 \x85 \U0001f3ac",
)


class _Reader(HTMLParser):
    """Lists elements, and attributes by element, of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def read_pages(folder: Path) -> dict[str, _Reader]:
    return {file.name: _Reader(file.read_text(encoding="utf-8")) for file in folder.glob("*.html")}


def count_elements(page: _Reader) -> Counter[tuple[str, ...]]:
    return Counter((tag, *sorted(attributes)) for tag, attributes in page.elements)


def test_ids_and_titles_are_escaped(tmp_path: Path) -> None:
    videos = [ReviewedVideo(text, title=text, owner_id=text, uri=f"/v/{text}.mp4") for text in HOSTILE]
    make_pages([make_cluster(*HOSTILE)], tmp_path, videos)
    plain = tmp_path / "plain"
    make_pages(
        [make_cluster("a", "b", "c", "d", "e", "f")], plain, [ReviewedVideo(n, title=n, uri=n) for n in "abcdef"]
    )
    expected = read_pages(plain)
    for name, page in read_pages(tmp_path).items():
        assert count_elements(page) == count_elements(expected[name])
        scripts = [attributes for tag, attributes in page.elements if tag == "script"]
        assert scripts == [{"src": "report.js", "defer": None}]
        assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on") or a == "style"]
    kept = {a["data-keep"] for _, a in read_pages(tmp_path)["largest-1.html"].elements if "data-keep" in a}
    assert kept == set(HOSTILE)


def test_a_page_loads_only_its_own_files(tmp_path: Path) -> None:
    make_pages([make_cluster("a", "b")], tmp_path)
    for page in read_pages(tmp_path).values():
        (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
            "form-action 'none'"
        )
        linked = [a.get(name) for _, a in page.elements for name in ("src", "href", "srcset") if name in a]
        files = {str(place).partition("#")[0] for place in linked} - {""}
        assert [file for file in files if not (tmp_path / file).is_file()] == []
        assert all(a.get("alt") for tag, a in page.elements if tag == "img")


def test_pages_with_the_largest_pictures_stay_below_2_mb(tmp_path: Path) -> None:
    names = [f"video-{number:02}-" + "x" * 60 for number in range(MAX_PAIRS_PER_CLUSTER + 1)]
    clusters = [make_cluster(*(f"{name}-{n}" for name in names)) for n in range(3)]
    (tmp_path / "largest.webp").write_bytes(bytes(MAX_STRIP_BYTES))
    for pair in (pair for cluster in clusters for pair in cluster.pairs):
        pair.left = pair.right = pair.match = Strip((0.0,), "largest.webp", (980, 90), MAX_STRIP_BYTES)
    make_pages(clusters, tmp_path)
    pages = read_pages(tmp_path)
    assert {"largest-1.html", "largest-2.html", "largest-3.html"} <= set(pages)
    for name, page in pages.items():
        shown = [str(attributes["src"]) for tag, attributes in page.elements if tag == "img"]
        assert sum((tmp_path / file).stat().st_size for file in [name, *shown]) < 2_000_000


def test_the_number_of_clusters_per_page_is_limited() -> None:
    clusters = [make_cluster(f"{n}", f"{n}b") for n in range(45)]
    assert [len(page) for page in split_pages(clusters)] == [20, 20, 5]
    assert list(split_pages([])) == []


def test_a_report_without_clusters_has_only_the_index(tmp_path: Path) -> None:
    make_pages([], tmp_path)
    assert list(read_pages(tmp_path)) == ["index.html"]
    assert "There are no clusters to review." in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_equal_clusters_result_in_equal_files(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        make_pages([make_cluster("a", "b"), make_cluster("c", "d", "e")], tmp_path / name)
        written.append({f.relative_to(tmp_path / name): f.read_bytes() for f in (tmp_path / name).rglob("*.*")})
    assert written[0] == written[1]


def test_clusters_are_sorted_by_certainty_size_and_age() -> None:
    old, large = make_cluster("o", "p", changed_in="20230101"), make_cluster("l", "m", "n", changed_in="20240101")
    doubtful = make_cluster("d", "e", changed_in="20240601")
    doubtful.min_probability = 0.5
    clusters = [old, large, doubtful]
    assert sort_clusters(clusters, "least-certain")[0] is doubtful
    assert sort_clusters(clusters, "largest") == [large, doubtful, old]
    assert sort_clusters(clusters, "newest") == [doubtful, large, old]


def test_contained_videos_have_a_page_without_keep_buttons(tmp_path: Path) -> None:
    parts = [make_part("clip", "film", 0.95), make_part("scene", "film", 0.9)]
    make_pages([make_cluster("a", "b"), *parts], tmp_path)
    text = (tmp_path / "parts-1.html").read_text(encoding="utf-8")
    assert re.findall(r'data-left="([^"]+)" data-right="([^"]+)"', text) == [("film", "scene"), ("clip", "film")]
    assert "data-keep" not in text
    assert "clip is contained in the other video" in text
    assert 'data-left="clip"' not in (tmp_path / "largest-1.html").read_text(encoding="utf-8")
    assert '<a href="parts-1.html">' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_lake_with_only_contained_videos_can_be_reviewed(tmp_path: Path) -> None:
    make_pages([make_part("clip", "film")], tmp_path)
    assert set(read_pages(tmp_path)) == {"index.html", "parts-1.html"}
    assert "ndvr decide" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_first_pair_of_each_cluster_gets_pictures_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.review.cluster_selection.MAX_ILLUSTRATED_PAIRS", 3)
    clusters = [make_cluster("a", "b", "c"), make_cluster("d", "e")]
    assert [pair.member_id for pair in choose_illustrated(clusters)] == ["b", "e", "c"]


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


def test_a_pair_without_pictures_shows_the_reason(tmp_path: Path) -> None:
    cluster = make_cluster("a", "b")
    cluster.pairs.append(ReviewedPair("c", "a", ROW, {"verdict": "duplicate", "decided_by": "ann", "note": None}))
    make_pages([cluster], tmp_path)
    text = (tmp_path / "newest-1.html").read_text(encoding="utf-8")
    assert len(re.findall("No pictures: the report reached its limit of pictures", text)) == 2
    assert "ann decided: duplicate." in text

"""Turns what was gathered into pages of HTML with a stylesheet and a script beside them. Runs on the driver."""

from __future__ import annotations

import hashlib
import shlex
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from jobs.review import wording
from jobs.review.gather import ORDERS, PARTS, sort_clusters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from jobs.review.charts import Chart
    from jobs.review.facts import Overview, ReviewedCluster, ReviewedVideo

MAX_PAGE_BYTES = 1_500_000
"""Of a page with its pictures, as far as they are known before it is made; no page comes to 2 MB."""
MAX_PAGE_CLUSTERS = 20
_CLUSTER_BYTES = 2_000
_PAIR_BYTES = 6_000  # of HTML, with ids and titles of usual length
_ORDER_NAMES = {"least-certain": "Least certain", "largest": "Largest", "newest": "Newest", PARTS: "Parts"}
_TITLES = {PARTS: "Videos that lie in longer ones"}  # of the others: their names and "clusters"
_FILES = ("report.css", "report.js")


def make_environment() -> Environment:
    """Make what renders the templates: everything that is put in is escaped, for ids and titles are anyone's words."""
    environment = Environment(
        loader=PackageLoader("jobs.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": wording.say_clock,
        "duration": wording.say_duration,
        "evidence": wording.list_evidence,
        "facts": wording.say_facts,
        "moments": wording.say_moments,
        "nearby": wording.list_nearby,
        "number_of": lambda ids, numbers: numbers[ids],
        "percent": wording.say_percent,
        "quote": shlex.quote,
        "why": wording.say_why,
    }
    return environment


def write_pages(
    overview: Overview,
    charts: Sequence[Chart],
    clusters: Sequence[ReviewedCluster],
    videos: Mapping[str, ReviewedVideo],
    lake: str,
    folder: Path,
) -> int:
    """Write the pages, the stylesheet and the script into `folder`; the page to open, index.html, last.

    Args:
        overview: of the run.
        charts: as `jobs.review.charts.draw_charts` drew them into `folder`.
        clusters: with their pictures, in any order, and parts among them.
        videos: all that the clusters name.
        lake: folder or URI of the tables, as the command line takes it.
        folder: it is there.

    Returns:
        How many pages were written.
    """
    environment = make_environment()
    shared: dict[str, Any] = {
        "overview": overview,
        "lake": lake,
        "clusters_shown": sum(not cluster.is_part for cluster in clusters),
        "parts_shown": sum(cluster.is_part for cluster in clusters),
        "order_names": _ORDER_NAMES,
        "titles": {order: _TITLES.get(order, f"{name} clusters") for order, name in _ORDER_NAMES.items()},
        "report_key": hashlib.sha256(f"{lake}\n{overview.run.run_id}".encode()).hexdigest()[:16],
    }
    shared["orders"] = [order for order in (*ORDERS, PARTS) if sort_clusters(clusters, order)]
    numbers = {pair.ids: number for number, pair in enumerate(p for cluster in clusters for p in cluster.pairs)}
    num_pages = 1
    for order in shared["orders"]:
        pages = list(split_pages(sort_clusters(clusters, order)))
        for page, shown in enumerate(pages, start=1):
            here = {"here": order, "page": page, "num_pages": len(pages)}
            html = environment.get_template("clusters.html").render(
                shared, **here, clusters=shown, videos=videos, numbers=numbers
            )
            _write(folder / f"{order}-{page}.html", html)
        num_pages += len(pages)
    for name in _FILES:
        _write(folder / name, (files("jobs.review") / "templates" / name).read_text(encoding="utf-8"))
    _write(folder / "index.html", environment.get_template("index.html").render(shared, here="index", charts=charts))
    return num_pages


def split_pages(clusters: Sequence[ReviewedCluster]) -> Iterator[list[ReviewedCluster]]:
    """Fill pages one after another, up to MAX_PAGE_CLUSTERS or MAX_PAGE_BYTES; a cluster is on one page."""
    page: list[ReviewedCluster] = []
    num_bytes = 0
    for cluster in clusters:
        weight = _weigh(cluster)
        if page and (len(page) == MAX_PAGE_CLUSTERS or num_bytes + weight > MAX_PAGE_BYTES):
            yield page
            page, num_bytes = [], 0
        page.append(cluster)
        num_bytes += weight
    if page:
        yield page


def _weigh(cluster: ReviewedCluster) -> int:
    """Estimate the bytes of a cluster on a page: its pictures and its words."""
    pictures = sum(strip.num_bytes for pair in cluster.pairs for strip in (pair.left, pair.right, pair.match))
    return _CLUSTER_BYTES + _PAIR_BYTES * len(cluster.pairs) + pictures


def _write(file: Path, text: str) -> None:
    """Write text; a lone half of a character, which UTF-8 cannot hold, becomes a question mark."""
    file.write_bytes(text.encode("utf-8", errors="replace"))

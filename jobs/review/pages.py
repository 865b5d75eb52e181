"""Renders the pages of a report: HTML, a stylesheet and a script. Runs on the driver."""

from __future__ import annotations

import hashlib
import shlex
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from jobs.review import formatting
from jobs.review.cluster_selection import ORDERS, PARTS, sort_clusters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from jobs.review.charts import Chart
    from jobs.review.report_data import Overview, ReviewedCluster, ReviewedVideo

MAX_PAGE_BYTES = 1_500_000
"""Limit of a page with its pictures, estimated before it is rendered; no page reaches 2 MB."""
MAX_PAGE_CLUSTERS = 20
_CLUSTER_BYTES = 2_000
_PAIR_BYTES = 6_000  # of HTML, with ids and titles of typical length
_ORDER_NAMES = {"least-certain": "Least certain", "largest": "Largest", "newest": "Newest", PARTS: "Parts"}
_TITLES = {PARTS: "Videos contained in longer ones"}  # of the other orders: name and "clusters"
_FILES = ("report.css", "report.js")


def make_environment() -> Environment:
    """Return the template environment. All values are escaped, because ids and titles are untrusted."""
    environment = Environment(
        loader=PackageLoader("jobs.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": formatting.format_clock,
        "duration": formatting.format_duration,
        "evidence": formatting.list_evidence,
        "facts": formatting.format_video_facts,
        "moments": formatting.format_moments,
        "nearby": formatting.list_linked_pages,
        "number_of": lambda ids, numbers: numbers[ids],
        "percent": formatting.format_percent,
        "quote": shlex.quote,
        "why": formatting.explain_pair,
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
    """Write the pages, the stylesheet and the script into `folder`; index.html is written last.

    Args:
        overview: numbers of the run.
        charts: the charts that `jobs.review.charts.draw_charts` drew into `folder`.
        clusters: clusters and contained videos with their pictures, in any order.
        videos: all videos of the clusters, by id.
        lake: folder or URI of the tables, as on the command line.
        folder: an existing folder.

    Returns:
        The number of pages written.
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
    """Split clusters into pages of up to MAX_PAGE_CLUSTERS and MAX_PAGE_BYTES; a cluster is never split."""
    page: list[ReviewedCluster] = []
    num_bytes = 0
    for cluster in clusters:
        cluster_bytes = _estimate_bytes(cluster)
        if page and (len(page) == MAX_PAGE_CLUSTERS or num_bytes + cluster_bytes > MAX_PAGE_BYTES):
            yield page
            page, num_bytes = [], 0
        page.append(cluster)
        num_bytes += cluster_bytes
    if page:
        yield page


def _estimate_bytes(cluster: ReviewedCluster) -> int:
    """Estimate the bytes of a cluster on a page: its pictures and its text."""
    pictures = sum(strip.num_bytes for pair in cluster.pairs for strip in (pair.left, pair.right, pair.match))
    return _CLUSTER_BYTES + _PAIR_BYTES * len(cluster.pairs) + pictures


def _write(file: Path, text: str) -> None:
    """Write text as UTF-8; an unpaired surrogate, which UTF-8 cannot encode, becomes a question mark."""
    file.write_bytes(text.encode("utf-8", errors="replace"))

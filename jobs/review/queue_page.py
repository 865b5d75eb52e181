"""Writes a queue: one page that shows one pair at a time, with its data in files beside it. Runs on the driver."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jobs.review.queue_items import make_item
from jobs.review.templating import make_environment, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jobs.review.report_data import Queue, QueuedPair, QueueFacts

SCRIPTS = (
    "queue-data.js",
    "queue-choices.js",
    "queue-elements.js",
    "queue-filter.js",
    "queue-frames.js",
    "queue-pair.js",
    "queue-list.js",
    "queue.js",
)
"""In the order in which the page loads them, after its data. They share one global object, `ndvr`."""
STYLES = ("report.css", "queue.css")
PAGE = "queue.html"
MAX_DATA_FILE_ITEMS = 200


def write_queue_page(facts: QueueFacts, queue: Queue, folder: Path, *, has_index: bool = False) -> Path:
    """Write the page of a queue, its data, scripts and stylesheets into a folder; return the path of the page.

    A browser opens the page from disk. It may load scripts from there, but no JSON, so the data are scripts too.

    Args:
        facts: what the page says besides its pairs.
        queue: the pairs. Those without a decision come first, in this order. A blind page has them in the order of a
            hash, and shows no past decisions.
        folder: an existing folder with the pictures.
        has_index: whether index.html is written too, and linked.
    """
    items = [make_item(queued, queue.videos, is_blind=facts.is_blind) for queued in _sort(queue.pairs, facts)]
    names = []
    for number, chunk in enumerate(_split(items)):
        names.append(f"queue-data-{number + 1}.js")
        _write_call(folder / names[-1], "addPairs", chunk)
    names.append("queue-decisions.js")
    _write_call(folder / names[-1], "addDecisions", [] if facts.is_blind else [one.as_values() for one in queue.past])
    for name in (*SCRIPTS, *STYLES):
        write_text(folder / name, (files("jobs.review") / "templates" / name).read_text(encoding="utf-8"))
    page = folder / PAGE
    html = (
        make_environment()
        .get_template("queue.html")
        .render(facts=facts, data=names, scripts=SCRIPTS, num_pairs=len(items), has_index=has_index, here="queue")
    )
    write_text(page, html)
    return page


def _sort(pairs: Sequence[QueuedPair], facts: QueueFacts) -> list[QueuedPair]:
    """Return the queue in the order of the page: as passed, or shuffled by a hash if it is blind."""
    if not facts.is_blind:
        return list(pairs)
    return sorted(pairs, key=lambda queued: hashlib.sha256("\n".join((facts.key, *queued.pair.ids)).encode()).digest())


def _split(items: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for begin in range(0, len(items), MAX_DATA_FILE_ITEMS):
        yield items[begin : begin + MAX_DATA_FILE_ITEMS]


def _write_call(file: Path, function: str, values: Sequence[Any]) -> None:
    """Write a script that passes values to a function of queue-data.js, as ASCII: it has no character to escape."""
    write_text(file, f"ndvr.{function}({json.dumps(values, allow_nan=False)});\n")

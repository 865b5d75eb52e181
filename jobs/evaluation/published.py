"""Ground truths as published sets of videos give them: CC_WEB_VIDEO, VCDB, FIVR-200K and SVD.

The manifest's video_ids must be the ids of the set; each loader says which they are. Runs on: driver.
"""

from __future__ import annotations

import json
import pickle
import struct
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import pandas as pd

from jobs.errors import ContractError, UsageError
from jobs.evaluation.truth import SEGMENT_COLUMNS, Query, Truth, order_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_CC_WEB_POSITIVES = frozenset(
    "ESLMV"
)  # exactly, similar, longer, major change, very similar; the rest is other footage
_FIVR_LABELS = {"dsvr": ("ND", "DS"), "csvr": ("ND", "DS", "CS"), "isvr": ("ND", "DS", "CS", "IS")}
_MIN_COPY_OVERLAP = 0.8  # of both videos: what MKLab-ITI/ndvr-dml, triplet_generator.py, takes for near-duplicates
_NUM_VCDB_CELLS = 6
_NUM_SVD_CELLS = 3
_Row = TypeVar("_Row")


def load_cc_web(path: Path) -> Truth:
    """Read cc_web_video.pickle of MKLab-ITI/visil (ids as `1/1_1_Y`) or of MKLab-ITI/ndvr-dml (as `1_1_Y`).

    Variants: `cc_web` ranks the videos labelled for a query alone, `cc_web*` all; `cc_web_c` and `cc_web_c*` leave
    out those that were found to be mislabelled, which visil's file alone names. The query is its own positive.

    Raises:
        UsageError: the file does not exist.
        ContractError: it is no such pickle.
    """
    content = _unpickle(path, ("index", "queries", "ground_truth"))
    index = content["index"]
    ids = (
        {number: video_id for video_id, number in index.items()} if isinstance(index, dict) else dict(enumerate(index))
    )

    def name(entry: Any) -> str:  # noqa: ANN401 - a number or an id
        return entry if isinstance(entry, str) and entry not in ids else str(ids[entry])

    def ask(excluded: Iterable[Iterable[Any]], *, is_closed: bool) -> Iterator[Query]:
        for query, labels, dropped in zip(content["queries"], content["ground_truth"], excluded, strict=True):
            left_out = frozenset(map(name, dropped))
            positives = frozenset(name(video) for video, label in labels.items() if label in _CC_WEB_POSITIVES)
            negatives = frozenset(map(name, labels)) - positives
            yield Query(name(query), positives - left_out, negatives - left_out, left_out, is_closed)

    try:
        nothing = [()] * len(content["queries"])
        variants = {"cc_web": nothing} | ({"cc_web_c": content["excluded"]} if "excluded" in content else {})
        return Truth(
            rankings={
                variant + star: tuple(ask(excluded, is_closed=not star))
                for variant, excluded in variants.items()
                for star in ("", "*")
            }
        )
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ContractError(f"truth {str(path)!r} is not laid out as cc_web_video.pickle: {error!r}") from error


def load_vcdb(path: Path) -> Truth:
    """Read VCDB: a folder of its annotation files, one of them, or vcdb.pickle of MKLab-ITI/ndvr-dml.

    An id is a file's name without its ending. A line of an annotation is a segment of a partial copy,
    `videoA,videoB,startA,endA,startB,endB` with times as hh:mm:ss; the pickle has no segments, and its pairs are
    copies where they share more than 0.8 of both videos. Pairs of a video with itself are left out.

    Raises:
        UsageError: nothing lies there, or a folder without .txt files.
        ContractError: a line or the pickle cannot be read; the message names it.
    """
    if path.suffix == ".pickle":
        columns = ["left_id", "right_id", "relation", "transform", *SEGMENT_COLUMNS]
        return Truth(order_pairs(pd.DataFrame(_read_overlaps(path), columns=columns)))
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"truth {str(path)!r} has no .txt files; give --truth VCDB's annotation folder")
    rows = [row for file in files for row in _read_cells(file, ",", _read_annotation)]
    pairs = pd.DataFrame(rows, columns=["left_id", "right_id", *SEGMENT_COLUMNS])
    pairs = pairs[pairs["left_id"] != pairs["right_id"]].assign(relation="partial", transform="")
    return Truth(order_pairs(pairs.reset_index(drop=True)))


def load_fivr(path: Path) -> Truth:
    """Read annotation.json of MKLab-ITI/FIVR-200K; ids are YouTube's.

    Variants: `dsvr` finds near-duplicates and other takes of the same moment (labels ND, DS), `csvr` also videos of
    the same moment from another side (CS), `isvr` also those of the same incident (IS). A query is not ranked itself.

    Raises:
        UsageError: the file does not exist.
        ContractError: it is no such JSON.
    """
    _check_exists(path)
    try:
        labelled = json.loads(path.read_text(encoding="utf-8"))
        rankings = {
            variant: tuple(
                Query(query_id, frozenset(video for label in labels for video in sets.get(label, ())) - {query_id})
                for query_id, sets in labelled.items()
            )
            for variant, labels in _FIVR_LABELS.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise ContractError(f"truth {str(path)!r} is not laid out as FIVR's annotation.json: {error}") from error
    return Truth(rankings=rankings)


def load_svd(path: Path) -> Truth:
    """Read SVD's test_groundtruth, a line `query candidate 0|1` for each labelled pair; ids are names of files.

    Variants: `svd` ranks a query's own candidates and all videos that the file does not mention, `svd_labelled` its
    own candidates alone.

    Raises:
        UsageError: the file does not exist.
        ContractError: a line cannot be read; the message names it.
    """
    labels: dict[str, dict[str, bool]] = {}
    for query_id, video_id, is_positive in _read_cells(path, None, _read_label):
        labels.setdefault(query_id, {})[video_id] = is_positive
    mentioned = frozenset(labels) | frozenset(video_id for found in labels.values() for video_id in found)

    def ask(*, is_closed: bool) -> Iterator[Query]:
        for query_id, found in labels.items():
            positives = frozenset(video_id for video_id, is_positive in found.items() if is_positive)
            yield Query(query_id, positives, frozenset(found) - positives, mentioned, is_closed)

    return Truth(rankings={"svd": tuple(ask(is_closed=False)), "svd_labelled": tuple(ask(is_closed=True))})


def _read_cells(path: Path, separator: str | None, read: Callable[[list[str]], _Row]) -> Iterator[_Row]:
    """Read each line that is not empty by its cells; ContractError names the line that cannot be."""
    _check_exists(path)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield read([cell.strip() for cell in line.strip().split(separator)])
            except ValueError as error:
                raise ContractError(f"truth {str(path)!r}: line {number} {line!r:.120}: {error}") from error


def _read_annotation(cells: list[str]) -> tuple[str | float, ...]:
    """Read the cells of a line of VCDB."""
    if len(cells) != _NUM_VCDB_CELLS:
        raise ValueError(f"must be videoA,videoB,startA,endA,startB,endB, got {len(cells)} cells")
    return (*(_without_ending(name) for name in cells[:2]), *map(_read_time, cells[2:]))


def _read_time(text: str) -> float:
    """Read hh:mm:ss as seconds."""
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise ValueError(f"times must be hh:mm:ss, got {text!r}") from error
    return 3600 * hours + 60 * minutes + seconds


def _read_label(cells: list[str]) -> tuple[str, str, bool]:
    """Read the cells of a line of SVD."""
    if len(cells) != _NUM_SVD_CELLS or cells[2] not in {"0", "1"}:
        raise ValueError("must be a query, a candidate, and 0 or 1")
    return cells[0], cells[1], cells[2] == "1"


def _read_overlaps(path: Path) -> Iterator[dict[str, Any]]:
    """Read the pairs of vcdb.pickle."""
    content = _unpickle(path, ("index", "video_pairs"))
    try:
        for pair in content["video_pairs"]:
            left, right = (_without_ending(content["index"][number]) for number in pair["videos"])
            is_copy = min(pair["overlap"]) > _MIN_COPY_OVERLAP
            if left != right:
                row = {
                    "left_id": left,
                    "right_id": right,
                    "relation": "copy" if is_copy else "partial",
                    "transform": "",
                }
                yield row | dict.fromkeys(SEGMENT_COLUMNS, np.nan)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ContractError(f"truth {str(path)!r} is not laid out as vcdb.pickle: {error!r}") from error


def _without_ending(name: str) -> str:
    """Drop the ending of a file's name."""
    return name.rpartition(".")[0] or name


def _check_exists(path: Path) -> None:
    """Raise UsageError unless a file lies there."""
    if not path.is_file():
        raise UsageError(f"truth {str(path)!r} does not exist; give --truth an existing file")


class _ScalarType:
    """Stands in for the numpy type of a pickled number: pickles give its code, then its byte order."""

    codes: ClassVar = {"f8": "d", "f4": "f", "i8": "q", "i4": "i"}

    def __init__(self, code: str, *_: object) -> None:
        self.code = self.codes[code]
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _read_scalar(scalar_type: _ScalarType, content: str | bytes) -> float | int:
    """Read a pickled number of numpy's as one of Python's; files of Python 2 hold its bytes as text."""
    raw = content.encode("latin1") if isinstance(content, str) else content
    value: float | int = struct.unpack(scalar_type.order + scalar_type.code, raw)[0]
    return value


class _PlainUnpickler(pickle.Unpickler):
    """Makes sets, dicts, lists, texts and numbers, and refuses whatever else a pickle names: that could run code."""

    admitted: ClassVar[dict[tuple[str, str], Any]] = {
        **{
            (module, kind.__name__): kind
            for module in ("builtins", "__builtin__")
            for kind in (set, dict, list, str, int)
        },
        **{(f"numpy.{core}.multiarray", "scalar"): _read_scalar for core in ("core", "_core")},
        ("numpy", "dtype"): _ScalarType,
    }

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle declares it
        """Return what a pickle names, where it is admitted."""
        if (module, name) not in self.admitted:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which may run code, and is not read")
        return self.admitted[module, name]


def _unpickle(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Read a pickled dict that has these keys."""
    _check_exists(path)
    try:
        with path.open("rb") as file:
            content = _PlainUnpickler(file, encoding="latin1").load()  # latin1: the files of Python 2
    except Exception as error:  # a broken pickle may raise anything
        raise ContractError(f"truth {str(path)!r} cannot be read as a pickle of plain containers: {error}") from error
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise ContractError(f"truth {str(path)!r} lacks the key(s) {', '.join(missing)}")
    plain: dict[str, Any] = content
    return plain

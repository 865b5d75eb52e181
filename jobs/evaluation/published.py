"""Read the ground truth of published data sets: CC_WEB_VIDEO, VCDB, FIVR-200K and SVD. Runs on: driver.

The video_ids of the manifest must be the ids of the data set, which the docstring of each loader defines.
"""

from __future__ import annotations

import json
import pickle
import re
import struct
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import pandas as pd

from jobs.errors import ContractError, UsageError
from jobs.evaluation.truth import SEGMENT_COLUMNS, Query, Truth, order_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

# exact, similar, longer, major change, very similar; the other labels mean other footage
_CC_WEB_POSITIVES = frozenset("ESLMV")
_FIVR_LABELS = {"dsvr": ("ND", "DS"), "csvr": ("ND", "DS", "CS"), "isvr": ("ND", "DS", "CS", "IS")}
_MIN_COPY_OVERLAP = 0.8  # of both videos: the definition of near-duplicates in MKLab-ITI/ndvr-dml, triplet_generator.py
_BLANK = " \t\r\ufeff"  # other white space may be part of an id
_NUM_VCDB_CELLS = 6
_NUM_SVD_CELLS = 3
_Row = TypeVar("_Row")


def load_cc_web(path: Path) -> Truth:
    """Read cc_web_video.pickle of MKLab-ITI/visil (ids like `1/1_1_Y`) or of MKLab-ITI/ndvr-dml (ids like `1_1_Y`).

    Variants: `cc_web` ranks only the videos labelled for a query, `cc_web*` ranks all videos. `cc_web_c` and
    `cc_web_c*` exclude mislabelled videos, which are listed in visil's file only. The query is its own positive.

    Raises:
        UsageError: the file does not exist.
        ContractError: the file is not such a pickle.
    """
    content = _unpickle(path, ("index", "queries", "ground_truth"))
    index = content["index"]
    ids = (
        {number: video_id for video_id, number in index.items()} if isinstance(index, dict) else dict(enumerate(index))
    )

    def get_id(entry: Any) -> str:  # noqa: ANN401 - a number or an id
        return entry if isinstance(entry, str) and entry not in ids else str(ids[entry])

    def list_queries(excluded: Iterable[Iterable[Any]], *, is_closed: bool) -> Iterator[Query]:
        for query, labels, dropped in zip(content["queries"], content["ground_truth"], excluded, strict=True):
            left_out = frozenset(map(get_id, dropped))
            positives = frozenset(get_id(video) for video, label in labels.items() if label in _CC_WEB_POSITIVES)
            negatives = frozenset(map(get_id, labels)) - positives
            yield Query(get_id(query), positives - left_out, negatives - left_out, left_out, is_closed)

    try:
        nothing = [()] * len(content["queries"])
        variants = {"cc_web": nothing} | ({"cc_web_c": content["excluded"]} if "excluded" in content else {})
        return Truth(
            rankings={
                variant + star: tuple(list_queries(excluded, is_closed=not star))
                for variant, excluded in variants.items()
                for star in ("", "*")
            }
        )
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ContractError(
            f"truth {str(path)!r} does not have the structure of cc_web_video.pickle: {error!r}"
        ) from error


def load_vcdb(path: Path) -> Truth:
    """Read VCDB: a folder with its annotation files, one of these files, or vcdb.pickle of MKLab-ITI/ndvr-dml.

    An id is a file name without its extension. A line of an annotation file is a segment of a partial copy,
    `videoA,videoB,startA,endA,startB,endB`, with times as hh:mm:ss. The pickle has no segments; its pairs are copies if
    they share more than 0.8 of both videos. Pairs of a video with itself are excluded.

    Raises:
        UsageError: the path does not exist, or is a folder without .txt files.
        ContractError: a line or the pickle cannot be read; the message has the line or the path.
    """
    if path.suffix == ".pickle":
        columns = ["left_id", "right_id", "relation", "transform", *SEGMENT_COLUMNS]
        return Truth(order_pairs(pd.DataFrame(_read_overlaps(path), columns=columns)))
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"truth {str(path)!r} has no .txt files; give --truth the annotation folder of VCDB")
    rows = [row for file in files for row in _read_cells(file, ",", _read_annotation)]
    pairs = pd.DataFrame(rows, columns=["left_id", "right_id", *SEGMENT_COLUMNS])
    pairs = pairs[pairs["left_id"] != pairs["right_id"]].assign(relation="partial", transform="")
    return Truth(order_pairs(pairs.reset_index(drop=True)))


def load_fivr(path: Path) -> Truth:
    """Read annotation.json of MKLab-ITI/FIVR-200K; ids are those of YouTube.

    Variants: in `dsvr` the positives are near-duplicates and videos of the same scene (labels ND, DS), in `csvr` also
    videos of the same moment from another viewpoint (CS), in `isvr` also videos of the same incident (IS). A query is
    not ranked itself.

    Raises:
        UsageError: the file does not exist.
        ContractError: the file is not such a JSON file.
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
        raise ContractError(
            f"truth {str(path)!r} does not have the structure of FIVR's annotation.json: {error}"
        ) from error
    return Truth(rankings=rankings)


def load_svd(path: Path) -> Truth:
    """Read SVD's test_groundtruth, with a line `query candidate 0|1` per labelled pair; ids are file names.

    Variants: `svd` ranks the candidates of a query and all videos that are not in the file; `svd_labelled` ranks only
    the candidates of a query.

    Raises:
        UsageError: the file does not exist.
        ContractError: a line cannot be read; the message has the line.
    """
    labels: dict[str, dict[str, bool]] = {}
    for query_id, video_id, is_positive in _read_cells(path, "[ \\t]+", _read_label):
        labels.setdefault(query_id, {})[video_id] = is_positive
    mentioned = frozenset(labels) | frozenset(video_id for found in labels.values() for video_id in found)

    def list_queries(*, is_closed: bool) -> Iterator[Query]:
        for query_id, found in labels.items():
            positives = frozenset(video_id for video_id, is_positive in found.items() if is_positive)
            yield Query(query_id, positives, frozenset(found) - positives, mentioned, is_closed)

    return Truth(
        rankings={"svd": tuple(list_queries(is_closed=False)), "svd_labelled": tuple(list_queries(is_closed=True))}
    )


def _read_cells(path: Path, separator: str, read: Callable[[list[str]], _Row]) -> Iterator[_Row]:
    """Split each line that is not empty into cells and parse them. ContractError has the line that is not valid."""
    _check_exists(path)
    for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
        line = raw.decode(errors="replace").strip(_BLANK)
        if line:
            try:
                yield read([cell.strip(_BLANK) for cell in re.split(separator, line)])
            except ValueError as error:
                raise ContractError(f"truth {str(path)!r}: line {number} {line!r:.120}: {error}") from error


def _read_annotation(cells: list[str]) -> tuple[str | float, ...]:
    """Parse the cells of a line of VCDB."""
    if len(cells) != _NUM_VCDB_CELLS:
        raise ValueError(f"a line must be videoA,videoB,startA,endA,startB,endB, got {len(cells)} cells")
    return (*(_strip_extension(name) for name in cells[:2]), *map(_read_time, cells[2:]))


def _read_time(text: str) -> float:
    """Convert hh:mm:ss to seconds."""
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise ValueError(f"times must be hh:mm:ss, got {text!r}") from error
    return 3600 * hours + 60 * minutes + seconds


def _read_label(cells: list[str]) -> tuple[str, str, bool]:
    """Parse the cells of a line of SVD."""
    if len(cells) != _NUM_SVD_CELLS or cells[2] not in {"0", "1"}:
        raise ValueError("a line must be a query, a candidate, and 0 or 1")
    return cells[0], cells[1], cells[2] == "1"


def _read_overlaps(path: Path) -> Iterator[dict[str, Any]]:
    """Read the pairs of vcdb.pickle."""
    content = _unpickle(path, ("index", "video_pairs"))
    try:
        for pair in content["video_pairs"]:
            left, right = (_strip_extension(content["index"][number]) for number in pair["videos"])
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
        raise ContractError(f"truth {str(path)!r} does not have the structure of vcdb.pickle: {error!r}") from error


def _strip_extension(name: str) -> str:
    """Return a file name without its extension."""
    return name.rpartition(".")[0] or name


def _check_exists(path: Path) -> None:
    """Raise UsageError if the file does not exist."""
    if not path.is_file():
        raise UsageError(f"truth {str(path)!r} does not exist; give --truth an existing file")


class _ScalarType:
    """Replaces numpy's dtype of a pickled number. The pickle gives the type code, then the byte order."""

    codes: ClassVar = {"f8": "d", "f4": "f", "i8": "q", "i4": "i"}

    def __init__(self, code: str, *_: object) -> None:
        self.code = self.codes[code]
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _read_scalar(scalar_type: _ScalarType, content: str | bytes) -> float | int:
    """Convert a pickled numpy number to a Python number. Files of Python 2 store its bytes as text."""
    raw = content.encode("latin1") if isinstance(content, str) else content
    value: float | int = struct.unpack(scalar_type.order + scalar_type.code, raw)[0]
    return value


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles sets, dicts, lists, text and numbers only. Other classes are rejected, because they could run code."""

    allowed: ClassVar[dict[tuple[str, str], Any]] = {
        **{
            (module, kind.__name__): kind
            for module in ("builtins", "__builtin__")
            for kind in (set, dict, list, str, int)
        },
        **{(f"numpy.{core}.multiarray", "scalar"): _read_scalar for core in ("core", "_core")},
        ("numpy", "dtype"): _ScalarType,
    }

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle declares it
        """Return the class or function with this name, if it is allowed."""
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it contains {module}.{name}, which is not allowed because it could run code")
        return self.allowed[module, name]


def _unpickle(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Read a pickled dict and check that it has these keys."""
    _check_exists(path)
    try:
        with path.open("rb") as file:
            content = _PlainUnpickler(file, encoding="latin1").load()  # latin1 for files of Python 2
    except Exception as error:  # a damaged pickle can raise any exception
        raise ContractError(f"truth {str(path)!r} cannot be read as a pickle of plain containers: {error}") from error
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise ContractError(
            f"truth {str(path)!r} lacks the key(s) {', '.join(missing)}; give --truth the file of this --format"
        )
    plain: dict[str, Any] = content
    return plain

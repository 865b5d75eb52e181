"""Compares checks of one video with the results of the nightly run, for videos of a lake.

Each video is checked with its own id. It is not compared with itself, so it is checked as if it were new.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from deltalake import DeltaTable

import ndvr
from benchmarks.measure import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOLERANCE = 1e-6
_BOUNDS = {
    f"{prefix}{name}": (side, name)
    for prefix, side in (("", "own"), ("match_", "other"))
    for name in ("start_seconds", "end_seconds")
}


def main() -> None:
    """Check videos and compare the answers with the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--lake", type=Path, required=True, help="folder of a lake whose videos are readable on this machine"
    )
    parser.add_argument("--videos", type=int, default=200, help="number of videos to check")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    manifest = DeltaTable(str(arguments.lake / "manifest")).to_pyarrow_table(columns=["video_id", "uri"]).to_pylist()
    checked = random.Random(arguments.seed).sample(sorted(manifest, key=lambda row: row["video_id"]), arguments.videos)
    found: Counter[str] = Counter()
    started = time.monotonic()
    with ndvr.open(arguments.lake) as lake:
        model_id = lake.query(checked[0]["uri"]).model_id
        pairs, originals = read_pairs(arguments.lake, model_id), read_originals(arguments.lake, model_id)
        for row in checked:
            answer = lake.query(row["uri"], row["video_id"])
            found.update(compare(answer, pairs.get(row["video_id"], {}), row["video_id"]))
            named = originals.get(row["video_id"], set())
            found["decisions"] += 1
            found["equal decisions"] += answer.is_duplicate == bool(named)
            found["equal originals"] += answer.original in (named or {None})
    seconds = (time.monotonic() - started) / len(checked)
    rows = [(name, f"{number:,}") for name, number in found.items()]
    print_table(f"{len(checked)} videos checked, {seconds:.2f} s each", ("", "number"), rows)


def read_pairs(lake: Path, model_id: str) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Read `pairs` from both sides: video -> other video -> row."""
    pairs: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in DeltaTable(str(lake / "pairs")).to_pyarrow_table().to_pylist():
        if row["model_id"] == model_id:
            pairs.setdefault(row["left_id"], {})[row["right_id"]] = row
            pairs.setdefault(row["right_id"], {})[row["left_id"]] = row
    return pairs


def read_originals(lake: Path, model_id: str) -> dict[str, set[str]]:
    """Read the originals of each duplicate: video_id -> duplicate_of."""
    originals: dict[str, set[str]] = {}
    for row in DeltaTable(str(lake / "duplicates")).to_pyarrow_table().to_pylist():
        if row["model_id"] == model_id:
            originals.setdefault(row["video_id"], set()).add(row["duplicate_of"])
    return originals


def compare(answer: ndvr.Answer, pairs: Mapping[str, Mapping[str, Any]], video_id: str) -> Counter[str]:
    """Count the pairs in both results, the pairs in only one of them, and the pairs with different numbers."""
    sure = {m.video_id: m for m in answer.matches if m.match_probability >= answer.min_match_probability}
    found: Counter[str] = Counter()
    found["pairs in both"] = len(sure.keys() & pairs.keys())
    found["pairs in the run only"] = len(pairs.keys() - sure.keys())
    found["pairs in the query only"] = len(sure.keys() - pairs.keys())
    for other in sure.keys() & pairs.keys():
        match, pair = sure[other], pairs[other]
        own = "left" if pair["left_id"] == video_id else "right"
        sides = {"own": own, "other": "right" if own == "left" else "left"}
        gaps = [abs(match.match_probability - pair["match_probability"])]
        gaps += [abs(getattr(match, name) - pair[f"{sides[side]}_{end}"]) for name, (side, end) in _BOUNDS.items()]
        found["pairs with different numbers"] += max(gaps) > _TOLERANCE
    return found


if __name__ == "__main__":
    main()

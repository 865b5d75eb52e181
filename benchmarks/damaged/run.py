"""Runs one night on 100 good and 100 damaged or hostile videos, and reports the result of each.

If strace is installed, it also checks every file and socket that the Python processes of the job open.
"""

from __future__ import annotations

import csv
import itertools
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.damaged.trace import TRACE, find_violations
from benchmarks.measure import print_table, run_nightly
from tests.support import hostile
from tests.support.videos import CATALOGUE, make_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.support.hostile import HostileFile

NUM_GOOD = NUM_DAMAGED = 100
# A damaged video is read correctly if the cosine of its descriptor with that of the undamaged video is this high.
_MIN_SAME_SIMILARITY = 0.95


@dataclass(frozen=True)
class Damaged:
    """A damaged or hostile file, its kind, and the good video that it was made from, if any."""

    kind: str
    file: HostileFile
    good: Path | None = None


def main() -> None:
    """Make the videos, run the job, and print the result."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        good = make_good(folder / "videos")
        outside = make_video(folder / "outside" / "bait.mp4") if (folder / "outside").mkdir() is None else None
        damaged = list(itertools.islice(make_damaged(folder / "videos", good, outside), NUM_DAMAGED))
        ids = {path: path.name for path in good} | {
            each.file.path: f"{number:02}-{each.kind}" for number, each in enumerate(damaged)
        }
        found, seconds = run_night(folder, ids)
        report(good, damaged, ids, found)
        print(f"the job ended with exit status 0 after {seconds:.0f} s")
        report_trace(folder)


def make_good(folder: Path) -> list[Path]:
    """Make good videos with every codec and container of the test catalogue, each with different scenes."""
    folder.mkdir()
    recipes = [recipe for recipe in CATALOGUE if recipe.codec in av.codecs_available]
    return [
        make_video(folder / f"good-{number:02}{recipe.suffix}", recipe=recipe, seed=number)
        for number, recipe in zip(range(NUM_GOOD), itertools.cycle(recipes), strict=False)
    ]


def make_damaged(folder: Path, good: Sequence[Path], outside: Path) -> Iterator[Damaged]:
    """Make damaged files, each in its own folder. Playlists name a good video in the roots or one outside."""
    mp4 = next(path for path in good if path.suffix == ".mp4")
    baits = itertools.cycle((mp4, outside))
    playlists: dict[str, Callable[[Path, Path], HostileFile]] = {
        "HLS playlist": hostile.write_hls,
        "concat playlist": hostile.write_concat,
        "DASH manifest": hostile.write_dash,
        "DASH manifest in a GIF": hostile.write_gif_dash,
        "DASH manifest in a Matroska": hostile.write_mkv_dash,
    }
    others: dict[str, Callable[[Path], HostileFile]] = {
        "renamed text": hostile.write_renamed_text,
        "no bytes": hostile.write_empty,
        "zero bytes only": hostile.write_zeros,
        "SDP": hostile.write_sdp,
        "60,000 x 60,000 frames": hostile.write_huge_frames,
        "16,000 x 16,000 frames": lambda inner: hostile.write_huge_frames(inner, 16_000),
        "a thousand streams": hostile.write_many_streams,
        "folder": hostile.make_folder,
        "named pipe": hostile.make_fifo,
        "link to /dev/zero": hostile.make_link_to_device,
        "link out of the roots": lambda inner: hostile.make_link_out(inner, outside),
    }
    numbers = itertools.count()

    def inner() -> Path:
        made = folder / f"damaged-{next(numbers):02}"
        made.mkdir()
        return made

    for _ in range(3):
        for kind, write in playlists.items():
            yield Damaged(kind, write(inner(), next(baits)))
    for kind, make in others.items():
        for _ in range(1 if kind in {"a thousand streams", "link to /dev/zero"} else 2):
            yield Damaged(kind, make(inner()))
    for path in (path for path in good[:18] if path.suffix == ".mp4"):
        yield Damaged("60,000 x 60,000 in its header", hostile.write_huge_header(inner(), path), path)
    fractions = (0.02, 0.3, 0.6, 0.9)
    for path, fraction in zip(good[18:38], itertools.cycle(fractions), strict=False):
        yield Damaged("cut", hostile.write_cut(inner(), path, fraction), path)
    for seed, (path, fraction) in enumerate(zip(itertools.cycle(good[38:]), itertools.cycle(_FLIPPED), strict=False)):
        damage = hostile.write_flipped(inner(), path, fraction, seed)
        yield Damaged(f"bits flipped in {100 * fraction:g} % of bytes", damage, path)


_FLIPPED = (0.0005, 0.005, 0.02, 0.1)


def run_night(folder: Path, ids: Mapping[Path, str]) -> tuple[dict[str, dict[str, Any]], float]:
    """Run the job on the files; return the row of each video in `descriptors` or `quarantine`, and the seconds."""
    from deltalake import DeltaTable

    with (folder / "manifest.csv").open("w", newline="") as manifest:
        csv.writer(manifest).writerows([("video_id", "uri"), *((ids[path], str(path)) for path in ids)])
    shutil.move(folder / "manifest.csv", folder / "videos" / "manifest.csv")
    (folder / "config.yaml").write_text("pairs:\n  min_cosine_similarity: 0.9\n")
    (folder / "trace").mkdir()
    (folder / "tmp").mkdir()
    events = run_nightly(
        folder / "videos" / "manifest.csv",
        folder / "lake",
        folder / "config.yaml",
        prefix=[*TRACE, "-o", str(folder / "trace" / "of")] if shutil.which("strace") else [],
        environment={"TMPDIR": str(folder / "tmp"), "SPARK_LOCAL_DIRS": str(folder / "tmp")},
    )
    found: dict[str, dict[str, Any]] = {}
    for table in ("descriptors", "quarantine"):
        rows = DeltaTable(folder / "lake" / table).to_pyarrow_table().to_pylist()
        found |= {row["video_id"]: row for row in rows}
    return found, events[-1].at.seconds


def report(
    good: Sequence[Path],
    damaged: Sequence[Damaged],
    ids: Mapping[Path, str],
    found: Mapping[str, dict[str, Any]],
) -> None:
    """Print the results by kind of file, and those of each damaged file that was described."""
    kinds: dict[str, list[Path]] = {"good": list(good)}
    for each in damaged:
        kinds.setdefault(each.kind, []).append(each.file.path)
    rows = []
    for kind, paths in kinds.items():
        codes = Counter(found[ids[path]].get("error_code") for path in paths)
        num_described = codes.pop(None, 0)
        counts = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        rows.append((kind, str(len(paths)), str(num_described), str(codes.total()), counts))
    print_table("", ("kind", "files", "described", "quarantined", "codes"), rows)
    described = [each for each in damaged if "error_code" not in found[ids[each.file.path]]]
    _report_described(described, ids, found)
    unexpected = [
        f"{ids[each.file.path]}: {found[ids[each.file.path]].get('error_code', 'described')}"
        for each in damaged
        if not _is_expected(each, found[ids[each.file.path]])
    ]
    num_good = sum("error_code" not in found[ids[path]] for path in good)
    num_quarantined = len(damaged) - len(described)
    print(f"good files described: {num_good} of {len(good)}; damaged files quarantined: {num_quarantined}")
    print(f"unexpected results: {unexpected or 'none'}")


def _is_expected(each: Damaged, row: Mapping[str, Any]) -> bool:
    return row["error_code"] in each.file.codes if "error_code" in row else each.file.may_succeed


def _report_described(
    described: Sequence[Damaged], ids: Mapping[Path, str], found: Mapping[str, dict[str, Any]]
) -> None:
    """Compare damaged videos that were described with the good videos that they were made from."""
    rows = []
    for each in described:
        row = found[ids[each.file.path]]
        similarity = 0.0
        if each.good is not None and "error_code" not in found[ids[each.good]]:
            similarity = float(np.dot(row["video_descriptor"], found[ids[each.good]]["video_descriptor"]))
        verdict = (
            "correct: same as its original"
            if similarity >= _MIN_SAME_SIMILARITY
            else "WRONG: differs from its original"
        )
        rows.append((ids[each.file.path], row["decoder"], f"{similarity:.4f}", verdict))
    if rows:
        print_table(
            "damaged but described", ("video", "decoder", "cosine similarity with its original", "verdict"), rows
        )


def report_trace(folder: Path) -> None:
    """Print the files and sockets that decoders and Python workers opened without permission, as traced by strace."""
    if not shutil.which("strace"):
        print("opened files were not checked, because strace is not installed")
        return
    counts, violations = find_violations(
        folder / "trace", root=folder / "videos", outside=folder / "outside", own=folder
    )
    rows = [(name, str(count)) for name, count in sorted(counts.items())]
    print_table("opened files, as traced by strace", ("kind", "count"), rows)
    print(f"opened outside the allowed roots: {len(violations)}")
    for violation in violations[:20]:
        print(f"  {violation}")


if __name__ == "__main__":
    main()

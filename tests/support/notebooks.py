"""Executes the notebooks once for all tests, on a lake like that of the demo."""

from __future__ import annotations

import shutil
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient.exceptions import CellExecutionError

from jobs.demo.planted import Planted, write_planted

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
_WHOLE = (0.0, 2.0, 0.0, 2.0)
PLANTED = (
    *(Planted(video_id, "", "original", "", *_WHOLE) for video_id in ("checker", "discs", "stripes", "tiles", "glow")),
    Planted("checker-webm", "checker", "copy", "reencode-webm", *_WHOLE),
    Planted("a-checker-caption", "checker", "copy", "caption", *_WHOLE),
    Planted("a-discs-small", "discs", "copy", "resize-50", *_WHOLE),
    Planted("stripes-low", "stripes", "copy", "reencode-low-bitrate", *_WHOLE),
)
CHECKS = {
    "01_first_look": """
assert set(duplicates["duplicate_of"]) == {"checker", "discs", "stripes"}
assert len(clusters) == 3
assert all(pair.left.file and pair.right.file for cluster in clusters for pair in cluster.pairs)
""",
    "02_choose_a_model_and_threshold": """
assert dict(truth.pairs["relation"].value_counts()) == {"copy": 5}
assert trials["auto"].best["f1"] == 1
assert list(transforms.index.sort_values()) == ["caption", "reencode-low-bitrate", "reencode-webm", "resize-50"]
assert (report.pairs.precision, report.pairs.recall) == (1, 1)
assert candidates.num_positives == 5 and candidates.num_negatives == 31
copies = candidates.labelled.cosines[candidates.labelled.is_copy]
assert is_kept and threshold < copies.min()
assert model_id.startswith("discriminative")
""",
    "03_review_clusters": """
assert len(clusters) == 3
assert answer.is_together and not apart.is_together
assert is_new and was_decided
assert not is_waiting_while_decided and is_waiting_again
assert lake.read_decisions() == {} and lake.root != original
""",
    "04_ask_in_sql": """
assert len(answers["current_duplicates"]) == 4 and len(answers["quarantined_videos"]) == 4
assert share["num_copies"][0] == 4
assert list(uploaders.itertuples(index=False, name=None)) == [("bob", "ann", 2), ("cyd", "ann", 1)]
assert (before, now) == (0, 4)
""",
}
"""Checks of the results of each notebook, run in its kernel."""


def load_site_script(name: str) -> ModuleType:
    """Import a module of docs/site, which is not a package."""
    spec = spec_from_file_location(name, ROOT / "docs" / "site" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


execution: Any = load_site_script("execute_notebooks")


def execute_all(lake: Path, out: Path) -> None:
    """Execute every notebook with its checks in a copy of a lake, as `make docs` does.

    `out` gets the executed notebooks, NAME.error with the error of a notebook that failed, and NAME.changed if one
    changed the lake.
    """
    demo = out / "demo"
    shutil.copytree(lake, demo / "lake")
    (demo / "catalogue").mkdir()
    write_planted(PLANTED, demo / "catalogue" / "planted.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the event loop of jupyter_client
        with execution.start_kernel(demo / "lake") as kernel:
            for path in execution.NOTEBOOKS:
                before = _list_files(demo)
                try:
                    executed = execution.execute_notebook(path, kernel, CHECKS[path.stem])
                    nbformat.write(executed, out / path.name)
                except CellExecutionError as error:
                    (out / f"{path.stem}.error").write_text(str(error), encoding="utf-8")
                if _list_files(demo) != before:
                    (out / f"{path.stem}.changed").touch()


def _list_files(folder: Path) -> list[tuple[Path, int]]:
    return sorted((file, file.stat().st_mtime_ns) for file in folder.rglob("*"))

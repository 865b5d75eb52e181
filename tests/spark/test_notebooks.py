"""The notebooks run from top to bottom on a lake like that of the demo, and are stored without outputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from jobs.demo.planted import Planted, write_planted
from tests.support.limits import PROCESS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.spark.conftest import Described

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
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


@pytest.fixture(scope="module")
def demo(described: Described, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like that of `ndvr demo`, with the described lake. The notebooks share it."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(described.lake, folder / "lake")
    (folder / "catalogue").mkdir()
    write_planted(PLANTED, folder / "catalogue" / "planted.csv")
    return folder


def test_every_notebook_is_checked() -> None:
    assert {path.stem for path in NOTEBOOKS} == CHECKS.keys()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count is not None for cell in cells)


@pytest.fixture(scope="module")
def kernel(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelManager]:
    """Start one kernel for all notebooks, so that they share a Spark session; each starts without any names."""
    folder = str(tmp_path_factory.mktemp("kernel"))
    manager = KernelManager(kernel_name="python3")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("NDVR_LAKE", str(demo / "lake")), ("IPYTHONDIR", folder), ("TMPDIR", folder)):
            patch.setenv(name, value)
        manager.start_kernel(cwd=str(NOTEBOOKS[0].parent))
        yield manager
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Proactor:RuntimeWarning", "ignore::DeprecationWarning:jupyter_client.*")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_demo_without_changing_it(path: Path, demo: Path, kernel: KernelManager) -> None:
    before = sorted((file, file.stat().st_mtime_ns) for file in demo.rglob("*"))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    notebook.cells.append(nbformat.v4.new_code_cell(CHECKS[path.stem]))
    client = NotebookClient(notebook, km=kernel, timeout=int(PROCESS_SECONDS))
    try:
        client.execute()
    finally:
        client.kc.stop_channels()
    assert sorted((file, file.stat().st_mtime_ns) for file in demo.rglob("*")) == before

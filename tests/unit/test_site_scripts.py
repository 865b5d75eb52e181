"""The scripts of the site: pages of executed notebooks, and the picture of found pairs."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import nbformat
import numpy as np
import pytest
from PIL import Image

from jobs.demo.editing.edits import EDITS
from jobs.demo.editing.transcode import apply_edit
from tests.support.catalogue import make_scene
from tests.support.notebooks import load_site_script

if TYPE_CHECKING:
    from pathlib import Path

TABLE = (
    "<div>\n<style scoped>\n  .x {}\n</style>\n"
    '<table border="1" class="dataframe">\n<tr><td>1</td></tr>\n</table>\n</div>'
)


def encode(kind: str) -> str:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


def write_executed(path: Path, *outputs: dict[str, Any]) -> Path:
    """Write a notebook whose only code cell has outputs."""
    shown = [nbformat.v4.new_output("display_data", data=data) for data in outputs]
    cells = [nbformat.v4.new_markdown_cell("# Title\n\nText."), nbformat.v4.new_code_cell("show()", outputs=shown)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}}), path)
    return path


def test_a_page_has_the_title_the_code_and_the_outputs(tmp_path: Path) -> None:
    executed = write_executed(tmp_path / "05_new.ipynb", {"text/plain": "plain", "text/html": TABLE})
    page, pictures = load_site_script("notebook_pages").write_page(executed)
    assert page.startswith("# Title\n\n")
    assert "This page shows `notebooks/05_new.ipynb` with the outputs" in page
    assert "```python\nshow()\n```" in page
    assert '<div class="notebook-table">\n<table>\n<tr><td>1</td></tr>' in page
    assert "style scoped" not in page
    assert "plain" not in page
    assert pictures == {}


def test_a_photograph_is_shown_as_jpeg_with_alternative_text(tmp_path: Path) -> None:
    both = {"image/png": encode("png"), "image/jpeg": encode("jpeg")}
    executed = write_executed(tmp_path / "05_new.ipynb", both, {"image/png": encode("png")})
    page, pictures = load_site_script("notebook_pages").write_page(executed)
    assert [name.rpartition(".")[2] for name in pictures] == ["jpg", "png"]
    assert all(f"![Output of the cell above]({name})" in page for name in pictures)
    assert all(Image.open(io.BytesIO(content)).size == (8, 8) for content in pictures.values())


def test_the_picture_of_a_pair_shows_both_videos_at_the_same_place(tmp_path: Path) -> None:
    drawing = load_site_script("draw_pairs")
    uris = {"city": str(make_scene(tmp_path / "city.mp4", "discs")), "city-mirror": str(tmp_path / "mirror.mp4")}
    apply_edit(tmp_path / "city.mp4", tmp_path / "mirror.mp4", EDITS["mirror"])
    bounds = {f"{side}_{end}_seconds": at for side in ("left", "right") for end, at in (("start", 0.0), ("end", 2.0))}
    pair = {"left_id": "city", "right_id": "city-mirror", "match_probability": 0.99, **bounds}
    found = drawing._find_pair(("city-mirror", "city"), [{"left_id": "a", "right_id": "b"}, pair])
    picture = np.asarray(drawing._draw_pair(("city", "city-mirror"), found, uris), dtype=float)
    assert picture.shape == (24 + 2 * 92 + 4, 3 * 164 + 2 * 4, 3)
    above, below = picture[24 : 24 + 92, :164], picture[24 + 96 :, :164]
    assert np.abs(above - below[:, ::-1]).mean() < 12 < np.abs(above - below).mean()


def test_a_notebook_without_outputs_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = load_site_script("notebook_pages")
    monkeypatch.setenv(pages.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(pages.File, "generated", lambda *_, **__: None)
    with pytest.raises(
        pages.PluginError, match=r"no executed notebook .*01_first_look.ipynb: build the site with `make"
    ):
        pages.on_files([], None)

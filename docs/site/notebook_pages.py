"""Makes a page of each executed notebook, and adds the script and the style of the site.

mkdocs calls `on_files` while it builds the site. `execute_notebooks.py` executes the notebooks before.
"""
# ruff: noqa: INP001 -- mkdocs loads it by its path

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from nbconvert import MarkdownExporter
from traitlets.config import Config

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

SITE = Path(__file__).absolute().parent
ROOT = SITE.parents[1]
FOLDER_VARIABLE = "NDVR_EXECUTED_NOTEBOOKS"
_DEFAULT_FOLDER = ROOT / ".cache" / "notebooks"
_SMALL_PICTURES = Config(
    {
        "NbConvertBase": {
            "display_data_priority": ["text/html", "text/markdown", "image/jpeg", "image/png", "text/plain"]
        }
    }
)
"""Photographs as JPEG, which is a tenth of PNG."""
_PAGE_STYLE = "<style>.md-typeset pre > code { white-space: pre-wrap }</style>"
"""On these pages, long lines of code are wrapped."""
_FRAME_STYLE = re.compile(r"<style scoped>.*?</style>\n?", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the notebooks, the script and the style.

    Raises:
        PluginError: a notebook has not been executed.
    """
    for name in ("iframe-worker.js", "site.css"):
        files.append(File.generated(config, f"assets/{name}", abs_src_path=str(SITE / name)))
    folder = Path(os.environ.get(FOLDER_VARIABLE, _DEFAULT_FOLDER))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        executed = folder / path.name
        if not executed.is_file():
            raise PluginError(f"no executed notebook {executed}: build the site with `make docs`, which executes them")
        page, pictures = write_page(executed)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def write_page(executed: Path) -> tuple[str, dict[str, bytes]]:
    """Return the Markdown of an executed notebook, and the content of each picture by its file name."""
    body, resources = MarkdownExporter(config=_SMALL_PICTURES).from_filename(str(executed))
    title, _, rest = body.strip().partition("\n")
    note = f"This page shows `notebooks/{executed.name}` with the outputs of its cells on the lake of `make demo`."
    page = f"{title}\n\n{_PAGE_STYLE}\n\n{note}\n{rest}\n"
    pictures = {}
    for name, content in resources["outputs"].items():
        own = f"{executed.stem}_{name}"
        shown = re.sub(rf"!\[\w+\]\({re.escape(name)}\)", f"![Output of the cell above]({own})", page)
        if shown != page:  # a picture has several formats, of which the page shows one
            page, pictures[own] = shown, content
    # The style of pandas does not fit the site; without a class, the theme makes a wide table scroll.
    page = _FRAME_STYLE.sub("", page).replace('<table border="1" class="dataframe">', "<table>")
    return page.replace("<div>\n<table>", '<div class="notebook-table">\n<table>'), pictures

"""The site builds, opens from disk without a network, and finds pages by its search; notebooks have their outputs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import ndvr
from jobs.cli import JOBS
from tests.support.browser import needs_browser, open_browser
from tests.support.documented import PAGES, ROOT
from tests.support.limits import PROCESS_SECONDS
from tests.support.notebooks import execution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

pytestmark = pytest.mark.slow


class LoadedAddresses(HTMLParser):
    """Collects the addresses that a browser loads for a page, and finds pictures without alternative text."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.has_picture_without_text = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "img", "iframe", "source", "video", "link"}:
            self.addresses += [given[name] or "" for name in ("src", "href") if name in given]
        self.has_picture_without_text |= tag == "img" and not given.get("alt")


def build_site(folder: Path, notebooks: Path) -> subprocess.CompletedProcess[str]:
    arguments = ["build", "--quiet", "--strict", "--config-file", "docs/site/mkdocs.yml", "--site-dir", str(folder)]
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *arguments],
        cwd=ROOT,
        env=os.environ | {"NDVR_EXECUTED_NOTEBOOKS": str(notebooks)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(executed_notebooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build_site(folder, executed_notebooks)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def test_a_notebook_without_outputs_is_reported(tmp_path: Path) -> None:
    done = build_site(tmp_path / "site", tmp_path)
    assert done.returncode == 1
    assert f"no executed notebook {tmp_path / '01_first_look.ipynb'}: build the site with `make docs`" in done.stderr


def test_the_site_builds_strictly_and_has_every_page(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in PAGES[1:]}
    generated = {Path("reference") / f"{name}.html" for name in ("commands", "settings", "tables")}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    notebooks = {Path("notebooks") / f"{path.stem}.html" for path in execution.NOTEBOOKS}
    assert built == (pages | generated | notebooks | {Path("404.html")}) - {Path("decisions/0000-template.html")}
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    assert [name for name in JOBS if f'id="ndvr-{name}"' not in commands] == []
    assert "max_exact_teraflop" in (site / "reference" / "settings.html").read_text(encoding="utf-8")
    assert "keeper_reason" in (site / "reference" / "tables.html").read_text(encoding="utf-8")
    python = (site / "reference" / "python.html").read_text(encoding="utf-8")
    assert [name for name in ndvr.__all__ if f'id="ndvr.{name}"' not in python] == []
    assert 'id="udfs.verifying.align.align"' in python


def test_pages_load_nothing_from_other_hosts_and_pictures_have_alternative_text(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = LoadedAddresses()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert [address for address in loaded.addresses if re.match(r"\w+:|//", address)] == [], page
        assert not loaded.has_picture_without_text, page
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8"), (
            "the theme loads the renderer of mermaid from another host"
        )


def test_decision_records_are_on_a_page_of_their_own_and_not_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="[^"]*decisions/0[^"]*"', home) == []
    assert 'href="0013-second-look.html"' in (site / "decisions" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", execution.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_a_page_with_its_outputs(path: Path, site: Path) -> None:
    page = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
    assert "<table>" in page
    assert 'class="dataframe"' not in page
    pictures = re.findall(r'<img alt="Output of the cell above" src="([^"]+)"', page)
    assert all((site / "notebooks" / name).is_file() for name in pictures)
    assert len(pictures) >= {"01_first_look": 3, "02_choose_a_model_and_threshold": 3, "03_review_clusters": 6}.get(
        path.stem, 0
    )


@needs_browser
def test_the_search_works_from_disk(site: Path, browser: Chrome) -> None:
    browser.get((site / "reference" / "python.html").as_uri())
    browser.execute_script("document.querySelector('[data-md-component=search-query]').focus()")
    browser.find_element(By.CSS_SELECTOR, "[data-md-component=search-query]").send_keys("quarantine")
    WebDriverWait(browser, PROCESS_SECONDS).until(
        lambda page: page.find_elements(By.CSS_SELECTOR, ".md-search-result__link")
    )
    found = [link.get_attribute("href") for link in browser.find_elements(By.CSS_SELECTOR, ".md-search-result__link")]
    assert all(str(address).startswith(site.as_uri()) for address in found)
    assert f"{site.as_uri()}/reference/commands.html#ndvr-quarantine" in found
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@needs_browser
@pytest.mark.parametrize("page", ["reference/tables", "reference/json", "reference/commands", "sql"])
def test_tables_do_not_break_identifiers(page: str, site: Path, browser: Chrome) -> None:
    browser.get((site / f"{page}.html").as_uri())
    broken = browser.execute_script(
        "return [...document.querySelectorAll('td code')].filter(code => code.getClientRects().length > 1)"
        ".map(code => code.textContent)"
    )
    assert browser.find_elements(By.CSS_SELECTOR, "td code")
    assert broken == []

"""The pages in a browser: opened from disk, decided on and saved; and the file as `ndvr decide` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.clustering.decisions import Decision, read_decisions
from jobs.review.report_data import ReviewedVideo
from tests.support.browser import click, needs_browser, open_browser, wait_for_file
from tests.support.reports import RUN, make_cluster, make_pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = [needs_browser, pytest.mark.slow]
NOTE = f"report of run {RUN.run_id}"
HOSTILE = ("<script>alert(1)</script>", "\"quoted\", 'twice' & Zoë \u2028 \x85 \U0001f3ac")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    clusters = [make_cluster(f"keeper-{n:02}", f"copy-{n:02}") for n in range(24)]
    named = [ReviewedVideo(text, title=text, owner_id=text) for text in HOSTILE]
    make_pages([*clusters, make_cluster(*HOSTILE, "plain")], folder, named)
    return folder


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with open_browser(tmp_path) as opened:
        yield opened


def save(browser: Chrome, downloads: Path) -> list[Decision]:
    browser.find_element("id", "save").click()
    return read_decisions(wait_for_file(downloads / f"decisions-{RUN.run_id}.jsonl"))


def press(browser: Chrome, keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def focused(browser: Chrome) -> dict[str, Any]:
    found: dict[str, Any] = browser.execute_script("return {...document.activeElement.dataset}")
    return found


def test_decisions_of_several_pages_are_saved_in_the_format_of_the_import(
    report: Path, browser: Chrome, tmp_path: Path
) -> None:
    browser.get((report / "index.html").as_uri())
    click(browser, browser.find_element("link text", "the largest"))
    for verdict, place in (("not_duplicate", 0), ("duplicate", 1)):
        click(browser, browser.find_elements("css selector", f"[data-verdict={verdict}]")[place])
    hostile = browser.find_elements("css selector", ".cluster")[0].find_elements("css selector", ".pair")
    ids = [(pair.get_attribute("data-left"), pair.get_attribute("data-right")) for pair in hostile]
    assert set(HOSTILE) | {"plain"} == {name for pair in ids for name in pair}
    click(browser, browser.find_element("link text", "Next"))
    pressed = browser.find_elements("css selector", ".keep")[1]
    kept, rest = pressed.get_attribute("data-keep"), browser.find_elements("css selector", ".pair")[1]
    click(browser, pressed)
    for _ in range(2):  # the second click withdraws the first
        click(browser, rest.find_elements("css selector", ".keep")[0])
    assert browser.find_element("id", "status").text == "3 decisions."
    assert pressed.get_attribute("aria-pressed") == "true"
    expected = {
        Decision(*sorted(ids[0]), "not_duplicate", NOTE),
        Decision(*sorted(ids[1]), "duplicate", NOTE),
        Decision(str(kept), str(kept), "keep_this", NOTE),
    }
    assert set(save(browser, tmp_path)) == expected
    assert browser.get_log("browser") == []


def test_every_decision_has_a_key(report: Path, browser: Chrome, tmp_path: Path) -> None:
    browser.get((report / "least-certain-1.html").as_uri())
    press(browser, "j")
    first = focused(browser)
    press(browser, "djj")
    third = focused(browser)
    press(browser, "2jnkkkd")  # n: fourth pair; the second d withdraws the decision on the first
    assert focused(browser) == first
    assert browser.find_element("id", "status").text == "2 decisions."
    kept = max(third["left"], third["right"])
    verdicts = {decision.verdict: decision.subject for decision in save(browser, tmp_path)}
    assert set(verdicts) == {"keep_this", "not_duplicate"}
    assert verdicts["keep_this"] == (kept, kept)


def test_keys_stay_disabled_on_other_pages(report: Path, browser: Chrome) -> None:
    browser.get((report / "least-certain-1.html").as_uri())
    browser.find_element("css selector", ".bar summary").click()
    browser.find_element("id", "keys").click()
    browser.get((report / "least-certain-2.html").as_uri())
    press(browser, "jd")
    assert browser.find_element("id", "status").text == "No decisions yet."


def test_links_carry_choices_if_the_browser_separates_the_storage_of_files(report: Path, browser: Chrome) -> None:
    browser.get((report / "least-certain-1.html").as_uri())
    click(browser, browser.find_element("css selector", "[data-verdict=duplicate]"))
    browser.execute_script("Storage.prototype.getItem = Storage.prototype.setItem = () => null; localStorage.clear()")
    click(browser, browser.find_element("link text", "Next"))
    assert browser.find_element("id", "status").text == "1 decision."
    assert "choices" not in browser.current_url


def test_clear_deletes_all_choices(report: Path, browser: Chrome) -> None:
    browser.get((report / "largest-1.html").as_uri())
    click(browser, browser.find_element("css selector", "[data-verdict=duplicate]"))
    browser.find_element("id", "clear").click()
    browser.switch_to.alert.accept()
    assert browser.find_element("id", "status").text == "No decisions yet."
    assert not browser.find_element("id", "save").is_enabled()


@pytest.mark.parametrize("width_px", [390, 1280])
def test_no_page_is_wider_than_the_screen(report: Path, tmp_path: Path, width_px: int) -> None:
    metrics = {"width": width_px, "height": 844, "deviceScaleFactor": 1, "mobile": width_px < 500}
    with open_browser(tmp_path) as browser:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for page in ("index.html", "largest-1.html"):
            browser.get((report / page).as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width_px
            small = "return [...document.querySelectorAll('button')].filter(b => b.offsetHeight < 44).length"
            assert browser.execute_script(small) == 0

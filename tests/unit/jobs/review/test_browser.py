"""The queue in a browser: opened from disk, decided on and saved; and the file as `ndvr decide` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from jobs.clustering.decisions import Decision, read_decisions
from jobs.review.report_data import PastDecision, ReviewedVideo, Strip
from tests.support.browser import needs_browser, open_browser, wait_for_file
from tests.support.reports import RUN, make_cluster, make_pages, make_pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = [needs_browser, pytest.mark.slow]
NOTE = f"report of run {RUN.run_id}"
HOSTILE = ("<script>alert(1)</script>", "\"quoted\", 'twice' & Zoë \u2028 \x85 \U0001f3ac")
PAST = [
    PastDecision("a-00", "b-00", "part", "ann", "2024-05-02T00:00:00Z", 1714608000000, "a trailer"),
    PastDecision("a-01", "b-01", None, "ann", "2024-05-02T00:00:00Z", 1714608000000),  # withdrawn
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    pairs = [make_pair(f"a-{n:02}", f"b-{n:02}", match_probability=0.8 + n / 1000) for n in range(5)]
    pairs += [*make_cluster("k", "m", "n"), *make_cluster(*HOSTILE)]
    Image.new("RGB", (6 * 228 - 4, 126), "teal").save(folder / "strip.webp")
    for queued in pairs:
        strip = Strip(tuple(range(6)), "strip.webp", (6 * 228 - 4, 126))
        queued.pair.left = queued.pair.right = strip
    other = make_pair("x", "y", relation="overlap")
    other.reasons = ()
    named = [ReviewedVideo(text, title=text, owner_id=text) for text in HOSTILE]
    make_pages([*pairs, other], folder, [*named, ReviewedVideo("a-02", owner_id="ann")], PAST)
    return folder


@pytest.fixture
def browser(report: Path, tmp_path: Path) -> Iterator[Chrome]:
    with open_browser(tmp_path) as opened:
        opened.get((report / "queue.html").as_uri())
        yield opened


def press(browser: Chrome, keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def shown(browser: Chrome) -> tuple[str, str]:
    """Return the ids of the pair on the screen; empty at the end of the queue."""
    ids: list[str] = browser.execute_script(
        "const {left, right} = document.querySelector('.pair')?.dataset ?? {}; return [left ?? '', right ?? '']"
    )
    return ids[0], ids[1]


def text_of(browser: Chrome, selector: str) -> str:
    return browser.find_element("css selector", selector).text


def save(browser: Chrome, downloads: Path) -> set[Decision]:
    press(browser, "e")
    return set(read_decisions(wait_for_file(downloads / f"decisions-{RUN.run_id}.jsonl")))


def pressed(browser: Chrome) -> list[str]:
    buttons = browser.find_elements("css selector", "[aria-pressed=true]")
    return [button.text.split("\n")[0].rpartition(" ")[0] for button in buttons]


def test_each_key_decides_and_moves_to_the_next_pair(browser: Chrome, tmp_path: Path) -> None:
    assert text_of(browser, "#counter") == "1 of 8"
    assert shown(browser) == ("a-01", "b-01")  # the first pair is decided, so it comes last
    for key, following in (("d", "a-02"), ("n", "a-03"), ("p", "a-04"), ("2", "k")):
        press(browser, key)
        assert shown(browser)[0] == following
    assert text_of(browser, "#counter") == "5 of 8"
    press(browser, "s1")
    assert shown(browser) == tuple(sorted(HOSTILE))
    press(browser, "d")
    assert shown(browser) == ("k", "m")  # skipped, so it comes again at the end
    press(browser, "d")
    assert text_of(browser, "h1") == "Every pair is decided."
    assert save(browser, tmp_path) == {
        Decision("a-01", "b-01", "duplicate", NOTE),
        Decision("a-02", "b-02", "not_duplicate", NOTE),
        Decision("a-03", "b-03", "part", NOTE),
        Decision("a-04", "b-04", "duplicate", NOTE),
        Decision("b-04", "b-04", "keep_this", NOTE),
        Decision("k", "n", "duplicate", NOTE),
        Decision("k", "k", "keep_this", NOTE),
        Decision(*sorted(HOSTILE), "duplicate", NOTE),
        Decision("k", "m", "duplicate", NOTE),
    }
    assert "Saved 9 decisions as decisions-" in text_of(browser, "#status")
    assert browser.get_log("browser") == []


def test_each_button_decides_and_moves_to_the_next_pair(browser: Chrome, tmp_path: Path) -> None:
    for selector in ("[data-verdict=duplicate]", "[data-verdict=not_duplicate]", "[data-verdict=part]", "#skip"):
        before = shown(browser)
        browser.find_element("css selector", selector).click()
        assert shown(browser) != before
    browser.find_element("css selector", "[data-keep='0']").click()
    assert {decision.verdict for decision in save(browser, tmp_path)} == {
        "duplicate", "not_duplicate", "part", "keep_this",
    }  # fmt: skip
    browser.find_element("id", "undo").click()
    assert shown(browser) == ("k", "m")


def test_u_undoes_step_by_step_also_after_the_page_was_opened_again(browser: Chrome) -> None:
    press(browser, "dns")
    browser.refresh()
    assert shown(browser) == ("a-03", "b-03")
    for expected in ("a-03", "a-02", "a-01"):
        press(browser, "u")
        assert shown(browser)[0] == expected
    assert "no decisions to save" in text_of(browser, "#status")
    press(browser, "u")
    assert text_of(browser, "#status") == "Nothing to undo."


def test_d_twice_decides_two_pairs_and_withdraws_nothing(browser: Chrome) -> None:
    press(browser, "dk")
    assert (shown(browser)[0], pressed(browser)) == ("a-01", ["Duplicate"])
    press(browser, "dk")
    assert (shown(browser)[0], pressed(browser)) == ("a-01", ["Duplicate"])
    assert "1 decision to save" in text_of(browser, "#status")


def test_x_withdraws_the_decision_on_its_pair_and_no_keep_of_another_pair(browser: Chrome, tmp_path: Path) -> None:
    press(browser, "jjjj")
    assert shown(browser) == ("k", "m")
    press(browser, "1dkx")  # keep k on (k, m); duplicate on (k, n), withdrawn
    assert shown(browser) == ("k", "n")
    assert save(browser, tmp_path) == {Decision("k", "k", "keep_this", NOTE), Decision("k", "m", "duplicate", NOTE)}
    press(browser, "kx")
    assert "Your decision on this pair is withdrawn." in text_of(browser, "#status")
    assert "no decisions to save" in text_of(browser, "#status")


def test_another_keeper_of_the_cluster_replaces_the_first(browser: Chrome, tmp_path: Path) -> None:
    press(browser, "jjjj11k2")  # keep k on both pairs, then n
    kept = {decision.left_id for decision in save(browser, tmp_path) if decision.verdict == "keep_this"}
    assert kept == {"n"}


def test_earlier_decisions_are_marked_with_who_and_when_and_folded(browser: Chrome) -> None:
    press(browser, "k" + "j" * 9)
    assert shown(browser) == ("a-00", "b-00")
    assert text_of(browser, ".decided") == "Decided: part, by ann on 2024-05-02T00:00:00Z (a trailer)."
    assert pressed(browser) == ["Part"]
    press(browser, "x")
    assert "withdraw it with ndvr decide --withdraw" in text_of(browser, "#status")
    press(browser, "p")  # the same again: nothing new
    assert "no decisions to save" in text_of(browser, "#status")
    browser.find_element("css selector", "#list summary").click()
    folded = browser.find_element("css selector", "#list details")
    assert folded.find_element("css selector", "summary").text == "1 decided"
    assert folded.get_attribute("open") is None
    assert len(browser.find_elements("css selector", "#list div > ol > li")) == 7


def test_a_choice_made_before_a_later_decision_in_the_lake_is_dropped(browser: Chrome) -> None:
    browser.execute_script(
        "localStorage.setItem(`ndvr-queue-${document.body.dataset.key}`, JSON.stringify({choices: ["
        "[JSON.stringify(['pair', 'a-00', 'b-00']), {at: 5, "
        "decision: {left_id: 'a-00', right_id: 'b-00', verdict: 'duplicate'}}],"
        "[JSON.stringify(['pair', 'a-02', 'b-02']), {at: 5, "
        "decision: {left_id: 'a-02', right_id: 'b-02', verdict: 'duplicate'}}]]}))"
    )
    browser.refresh()
    assert "1 decision to save" in text_of(browser, "#status")


def fill(browser: Chrome, name: str, value: str) -> str:
    """Set a field of the filter and return the counter."""
    browser.execute_script(
        "const form = document.getElementById('filter'); form.elements[arguments[0]].value = arguments[1];"
        "form.dispatchEvent(new Event('input'))", name, value,
    )  # fmt: skip
    return text_of(browser, "#counter").partition(" of ")[2]


def test_pairs_are_filtered_by_relation_owner_and_probability_and_found_by_id(browser: Chrome) -> None:
    assert fill(browser, "owner", "ann") == "1"
    assert shown(browser) == ("a-02", "b-02")
    assert fill(browser, "owner", "") == "8"
    assert fill(browser, "low", "0.803") == "5"
    assert fill(browser, "high", "0.9") == "2"
    browser.find_element("id", "unfilter").click()
    assert fill(browser, "reason", "large cluster") == "3"
    assert fill(browser, "reason", "all") == "9"
    assert fill(browser, "relation", "overlap") == "1"
    assert shown(browser) == ("x", "y")
    browser.find_element("id", "unfilter").click()
    press(browser, "/")
    press(browser, "A-03")  # keys type here, and do not decide
    assert shown(browser) == ("a-03", "b-03")
    assert text_of(browser, "#counter") == "1 of 1"
    assert fill(browser, "find", "x") == "1"  # also among pairs that are not in the queue
    assert fill(browser, "find", "nothing like it") == "0"
    assert text_of(browser, "h1") == "No pair matches the filter."


def test_disabled_keys_stay_disabled(browser: Chrome) -> None:
    browser.find_elements("css selector", ".panel summary")[-1].click()
    browser.find_element("id", "keys").click()
    browser.refresh()
    press(browser, "d")
    assert shown(browser) == ("a-01", "b-01")


def test_clear_deletes_all_choices(browser: Chrome) -> None:
    press(browser, "dn")
    browser.find_elements("css selector", ".panel summary")[-1].click()
    browser.find_element("id", "clear").click()
    browser.switch_to.alert.accept()
    assert "no decisions to save" in text_of(browser, "#status")
    assert not browser.find_element("id", "save").is_enabled()


def test_a_frame_is_enlarged_and_the_arrow_keys_move_through_the_frames(browser: Chrome) -> None:
    browser.find_elements("css selector", ".moment")[1].click()
    assert text_of(browser, ".enlarged figcaption") == "a-01 at 0:01.0"
    small, large = (
        browser.find_element("css selector", f"{where} .frame").size["width"] for where in (".moment", ".enlarged")
    )
    assert large > 2 * small
    press(browser, "\ue014")  # right
    assert text_of(browser, ".enlarged figcaption") == "a-01 at 0:02.0"
    press(browser, "\ue00c")  # escape
    press(browser, "d")
    assert shown(browser)[0] == "a-02"


@pytest.mark.parametrize("size_px", [(390, 844), (1440, 900)])
def test_every_button_is_visible_and_large_enough(report: Path, tmp_path: Path, size_px: tuple[int, int]) -> None:
    width, height = size_px
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    with open_browser(tmp_path) as browser:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get((report / "queue.html").as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        buttons = browser.find_elements("css selector", ".bar button")
        assert len(buttons) == 8
        for button in buttons:
            box = button.rect
            assert box["height"] >= 44
            assert box["y"] + box["height"] <= height
            is_on_top = "const b = arguments[0].getBoundingClientRect();"
            is_on_top += (
                "return arguments[0].contains(document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2))"
            )
            assert browser.execute_script(is_on_top, button)
        if width > 500:  # one pair per screen
            assert browser.execute_script("return document.documentElement.scrollHeight") <= height

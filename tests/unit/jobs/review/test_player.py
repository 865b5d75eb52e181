"""Clips of a pair in a browser: both play together, at matched seconds, from disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from jobs.review.report_data import PairClips
from tests.support.browser import needs_browser, open_browser
from tests.support.reports import make_pages, make_pair
from tests.support.videos import draw_picture
from udfs.illustrating.clips import ClipEncoder, choose_clip_times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

    from jobs.review.report_data import QueuedPair

pytestmark = [needs_browser, pytest.mark.slow]
LEFT, RIGHT = "\ue012", "\ue014"


def add_clips(queued: QueuedPair, folder: Path) -> None:
    """Add clips of 24 frames: two seconds of the left video, which the right one shows in one second, from 10 s on."""
    segment = (3.0, 5.0, 10.0, 11.0)
    times = choose_clip_times(segment)
    assert times is not None
    files = []
    for side, seconds in enumerate(times):
        encoder = ClipEncoder(seconds)
        for number, second in enumerate(seconds):
            encoder.add(second, draw_picture(number, (96, 64), seed=side))
        files.append(f"{side}.webm")
        (folder / files[side]).write_bytes(encoder.finish() or b"")
    queued.pair.clips = PairClips((files[0], files[1]), ((96, 64), (96, 64)), *times)
    queued.pair.segments = [segment]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    cropped = {"left_region": [0.0, 0.0, 1.0, 1.0], "right_region": [0.25, 0.0, 0.75, 0.5]}
    pairs = [make_pair("a", "b", **cropped), make_pair("c", "d"), make_pair("e", "f", match_probability=0.99)]
    for queued in pairs[:2]:
        add_clips(queued, folder)
    make_pages(pairs, folder)
    return folder


@pytest.fixture
def browser(report: Path, tmp_path: Path) -> Iterator[Chrome]:
    with open_browser(tmp_path) as opened:
        opened.get((report / "queue.html").as_uri())
        yield opened


def press(browser: Chrome, *keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def read(browser: Chrome, script: str) -> Any:
    return browser.execute_script(f"const v = [...document.querySelectorAll('video')]; return {script}")


def wait_until(browser: Chrome, script: str) -> Any:
    deadline = time.monotonic() + 20
    while not (found := read(browser, script)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def captions(browser: Chrome) -> list[str]:
    return [caption.text for caption in browser.find_elements("css selector", ".screens figcaption")]


def test_space_plays_both_clips_together_and_pauses_them(browser: Chrome) -> None:
    assert not browser.find_element("css selector", ".player").is_displayed()
    press(browser, " ")
    assert wait_until(browser, "v.every(x => x.currentTime > 0.4)")
    assert read(browser, "Math.abs(v[0].currentTime - v[1].currentTime)") < 0.25
    press(browser, " ")
    assert read(browser, "v.every(x => x.paused)")
    assert browser.get_log("browser") == []


def test_arrow_keys_step_through_matched_frames_of_both_videos(browser: Chrome) -> None:
    press(browser, " ", " ")  # shows the clips, and pauses
    browser.execute_script(
        "const s = document.querySelector('.controls input'); s.value = 12; s.dispatchEvent(new Event('input'))"
    )
    assert wait_until(browser, "v.every(x => !x.seeking && Math.abs(x.currentTime - 12.5 / 12) < 0.01)")
    assert captions(browser) == ["First at 0:04.0", "Second at 0:10.5"]
    press(browser, RIGHT, RIGHT, LEFT)
    assert wait_until(browser, "v.every(x => !x.seeking && Math.abs(x.currentTime - 13.5 / 12) < 0.01)")
    assert captions(browser) == ["First at 0:04.1", "Second at 0:10.5"]


def test_the_region_that_the_other_video_shows_is_outlined(browser: Chrome) -> None:
    press(browser, "f")
    screen, box = (
        browser.execute_script(
            "const r = document.querySelectorAll('.screen')[1].querySelector(arguments[0]).getBoundingClientRect();"
            "return [r.x, r.y, r.width, r.height]", selector,
        )
        for selector in ("video", ".region")
    )  # fmt: skip
    expected = [screen[0] + screen[2] / 4, screen[1], screen[2] / 2, screen[3] / 2]
    assert box == pytest.approx(expected, abs=2)


def test_the_wipe_lays_the_shared_region_over_itself(browser: Chrome) -> None:
    press(browser, "f", "w")
    lower, upper = read(
        browser, "v.map(x => { const r = x.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] })"
    )
    # The first video is the upper left half of the second, which is therefore twice as large.
    assert upper == pytest.approx([lower[0] - lower[2] / 2, lower[1], lower[2] * 2, lower[3] * 2], abs=2)
    clip = "document.querySelectorAll('.screen')[1].style.clipPath"
    assert read(browser, clip) == "inset(0px 0px 0px 50%)"
    browser.execute_script(
        "const w = document.querySelectorAll('.controls input')[1]; w.value = 20; w.dispatchEvent(new Event('input'))"
    )
    assert read(browser, clip) == "inset(0px 0px 0px 20%)"


def test_the_next_pair_plays_too_and_a_pair_without_clips_shows_its_frames(browser: Chrome) -> None:
    press(browser, " ", "d")
    assert wait_until(browser, "v.length === 2 && v.every(x => x.currentTime > 0.3)")
    press(browser, "d")
    assert read(browser, "v.length") == 0
    assert browser.find_element("css selector", ".frames").is_displayed()
    assert browser.get_log("browser") == []

"""A headless Chromium, if it is installed."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

_WAIT_SECONDS = 20.0
needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs the Debian packages chromium and chromium-driver",
)


@contextmanager
def open_browser(downloads: Path, width_px: int = 1280) -> Iterator[Chrome]:
    """Start Chromium without a window; downloads are saved in `downloads`. It reaches no host but this machine."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-background-networking"):
        options.add_argument(f"--{argument}")
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.add_argument(f"--window-size={width_px},900")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(str(shutil.which("chromedriver"))))
    try:
        yield browser
    finally:
        browser.quit()


def click(browser: Chrome, element: WebElement) -> None:
    """Scroll an element to the centre, away from bars at the edges, and click it."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def wait_for_file(file: Path) -> Path:
    """Wait until a download is complete."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return file

"""The OpenAPI description is complete, and its page works in a browser that reaches no other host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from jobs.one_video.service.app import ServiceLimits
from tests.support.browser import click, needs_browser, open_browser
from tests.support.limits import PROCESS_SECONDS
from tests.support.service import run_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

TOKEN = "not-a-secret"  # noqa: S105


@pytest.fixture(scope="module")
def url(indexed_lake: Path, videos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    uploads = tmp_path_factory.mktemp("uploads")
    root = str(videos["upload"].parent)
    with run_service(indexed_lake, uploads, ServiceLimits(num_at_once=1), TOKEN, root) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def described(url: str) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{url}/openapi.json").json()
    return document


def test_every_field_has_a_description_and_an_example(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    assert {"Answer", "Match", "Health", "Problem", "Body_check"} <= schemas.keys()
    own = {name: schema for name, schema in schemas.items() if not name.endswith("ValidationError")}
    fields = {f"{name}.{field}": found for name, schema in own.items() for field, found in schema["properties"].items()}
    assert [name for name, field in fields.items() if not field.get("description")] == []
    without = [name for name, field in fields.items() if "examples" not in field]
    assert without == ["Body_check.file"], "a text cannot show the bytes of a video"


def test_the_examples_of_an_answer_conform_to_it(described: dict[str, Any]) -> None:
    answer = described["components"]["schemas"]["Answer"]["properties"]
    (match,) = answer["matches"]["examples"][0]
    assert match.keys() == described["components"]["schemas"]["Match"]["properties"].keys()
    assert answer["original"]["examples"] == [match["keeper_id"]]
    assert answer["match_probability"]["examples"] == [match["match_probability"]]


def test_every_operation_has_a_summary_and_its_errors(described: dict[str, Any]) -> None:
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert [operation["operationId"] for operation in operations] == ["check", "healthz"]
    assert all(operation["description"] for operation in operations)
    assert {"200", "401", "413", "422", "503", "504"} <= operations[0]["responses"].keys()


def test_the_token_is_a_bearer_scheme_of_check(described: dict[str, Any]) -> None:
    (scheme,) = described["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert described["paths"]["/check"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in described["paths"]["/healthz"]["get"]


def test_the_root_leads_to_the_page(url: str) -> None:
    answer = httpx.get(url, follow_redirects=True)
    assert (answer.status_code, str(answer.url)) == (200, f"{url}/docs")
    assert "https://" not in answer.text


def find(browser: Chrome, css: str) -> WebElement:
    """Wait for an element that is shown."""
    wait = WebDriverWait(browser, PROCESS_SECONDS)
    found: WebElement = wait.until(
        lambda page: next((e for e in page.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()), None)
    )
    return found


@needs_browser
@pytest.mark.slow
def test_the_page_checks_a_video_with_the_token(url: str, videos: dict[str, Path], tmp_path: Path) -> None:
    with open_browser(tmp_path) as browser:
        browser.get(url)
        find(browser, ".opblock-post")
        paths = [element.text for element in browser.find_elements(By.CSS_SELECTOR, ".opblock-summary-path")]
        assert [path.replace("\u200b", "") for path in paths] == ["/check", "/healthz"]
        click(browser, find(browser, "button.authorize"))
        find(browser, ".auth-container input").send_keys(TOKEN)
        find(browser, ".auth-container button[type=submit]").click()
        find(browser, ".auth-container button.btn-done").click()
        click(browser, find(browser, ".opblock-post .opblock-summary-control"))
        assert '"original": "city"' in find(browser, ".opblock-post .responses-wrapper").text
        click(browser, find(browser, ".opblock-post .try-out__btn"))
        find(browser, ".opblock-post input[type=file]").send_keys(str(videos["upload"]))
        assert not any("null" in kind.text for kind in browser.find_elements(By.CSS_SELECTOR, ".parameter__type"))
        for box in browser.find_elements(By.CSS_SELECTOR, ".opblock-post tr[data-property-name] input[type=text]"):
            box.send_keys(Keys.CONTROL, "a", Keys.DELETE)
        click(browser, find(browser, ".opblock-post .execute"))
        assert find(browser, ".live-responses-table tr.response td.response-col_status").text.startswith("200")
        assert '"original": "discs"' in find(browser, ".live-responses-table .highlight-code").text
        browser.save_screenshot(str(tmp_path / "page.png"))
        errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert errors == []

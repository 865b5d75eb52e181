"""The OpenAPI description of the service, and the page that shows it. The page loads nothing from other hosts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from jobs.one_video.answer import Answer, Match

if TYPE_CHECKING:
    from fastapi import FastAPI

DOCS_PATH = "/docs"
INTRODUCTION = """
`POST /check` compares one video with the videos of the lake. Send the video as `file`, or its path or URI as `uri`. The
answer names the original if the lake already has the footage. Every error response has `error_code` and `reason`.
"""
_FORM = "Body_check"
"""The name that FastAPI gives to the form of the operation `check`."""
_PAGE_PACKAGE = ("fastapi_swagger", "resources")
"""The package, and its folder, with the script and style of Swagger UI."""
_MATCH = Match(
    video_id="city",
    is_exact=False,
    is_duplicate=True,
    keeper_id="city",
    cluster_id="e3c74bc09e5d8116b3e6",
    relation="copy",
    match_probability=0.998487,
    cosine_similarity=0.89818,
    alignment_similarity=0.563897,
    start_seconds=0.0,
    end_seconds=7.6,
    coverage=1.0,
    match_start_seconds=0.0,
    match_end_seconds=7.6,
    match_coverage=1.0,
    evidence={"aligned_seconds": 7.6, "num_inliers": 260.0, "place_agreement": 1.0, "pixel_change_agreement": 0.999288},
)
"""A part of the answer about the demo's copy `city-mirror`."""
_ANSWER = Answer(
    is_duplicate=True,
    match_probability=0.998487,
    original="city",
    exact_match=None,
    matches=(_MATCH,),
    num_compared=9,
    min_match_probability=0.743071,
    model_id="discriminative-efficientnet_lite0_ndvr-1fps-2b3985c8-b2d1ea1e-w4h2",
    index_version="20260102T030405Z-1a2b3c",
    content_sha256="fe129d341e5b1a174336b956bf16d2b215a506c4a07f6fa3351a1e9b58ca0279",
    duration_seconds=7.6,
    seconds=0.91,
)


def complete_description(app: FastAPI) -> None:
    """Add an example of each field of an answer to the OpenAPI description, and leave null out of the form.

    A form has no null: a field is there or not.
    """
    write = app.openapi

    def write_complete() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        described = write()
        schemas = described["components"]["schemas"]
        for name, example in (("Answer", _ANSWER.to_dict()), ("Match", asdict(_MATCH))):
            for field, value in example.items():
                schemas[name]["properties"][field]["examples"] = [value]
        for field in schemas[_FORM]["properties"].values():
            for kind in field.pop("anyOf"):
                field.update(kind if kind != {"type": "null"} else {})
        return described

    app.openapi = write_complete  # type: ignore[method-assign] # FastAPI documents this way


def add_page(app: FastAPI) -> None:
    """Add the page that shows the description, and lead from the root to it.

    Links are relative, so that the page also works behind a proxy that adds a prefix to paths.
    """

    @app.get("/", include_in_schema=False)
    async def lead_to_page() -> RedirectResponse:
        return RedirectResponse(DOCS_PATH.removeprefix("/"))

    @app.get(DOCS_PATH, include_in_schema=False)
    async def show_page() -> HTMLResponse:
        folder = DOCS_PATH.removeprefix("/")
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url).removeprefix("/"),
            title=f"{app.title}: API",
            swagger_js_url=f"{folder}/swagger-ui-bundle.js",
            swagger_css_url=f"{folder}/swagger-ui.css",
            swagger_favicon_url=f"{folder}/favicon-32x32.png",
            swagger_ui_parameters={"validatorUrl": None, "displayRequestDuration": True},
        )

    app.mount(DOCS_PATH, StaticFiles(packages=[_PAGE_PACKAGE]))

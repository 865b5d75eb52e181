"""The FastAPI application: `POST /check`, `GET /healthz`, and the OpenAPI page at `/docs`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from fastapi import Depends, FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from jobs.contracts.run import CODE_VERSION
from jobs.contracts.run_log import log
from jobs.errors import NdvrError, TimeLimitError, UnreadableVideoError
from jobs.one_video.answer import Answer
from jobs.one_video.service.description import INTRODUCTION, add_page, complete_description
from jobs.one_video.service.gate import CHECK_PATH, Gate
from jobs.one_video.service.problems import CODE_OF_STATUS, Problem, ProblemError, describe_problems
from jobs.one_video.service.request_log import RequestLog, note_in_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from jobs.one_video.checker import Checker

_WAITING_PER_WORKER = 8
"""Requests that may wait for each one in progress; further ones get status 503."""
_FORM_BYTES = 1 << 16
"""Bytes that a form may have besides its file."""


_File: TypeAlias = Annotated[
    UploadFile | None, File(description="The content of the video. Leave it empty to send `uri`.")
]
_Uri: TypeAlias = Annotated[
    str | None,
    Form(
        min_length=1,
        description="Path or URI of the video, below the allowed roots. Leave it empty to send `file`.",
        examples=["/incoming/upload.mp4"],
    ),
]
_VideoId: TypeAlias = Annotated[
    str | None,
    Form(
        min_length=1,
        description="Id that the video has or will have. The video is not compared with itself.",
        examples=["upload-1"],
    ),
]


@dataclass(frozen=True)
class ServiceLimits:
    """Limits of requests.

    Attributes:
        num_at_once: videos that are checked at once.
        max_upload_bytes: size of an uploaded file.
        time_limit_seconds: duration of one check, and of the wait before it.
        reload_seconds: interval between two checks for a new index.
    """

    num_at_once: int = 2
    max_upload_bytes: int = 2 * 1024**3
    time_limit_seconds: float = 60.0
    reload_seconds: float = 5.0


class Health(BaseModel):
    """The state of the service and the index that it uses."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    status: str = Field(examples=["ok"])
    """Always `ok`: the service starts only with an index, and keeps the old one if a new one cannot be opened."""
    index_version: str = Field(examples=["20260102T030405Z-1a2b3c"])
    """The run that published the index."""
    published_at: str = Field(examples=["2026-01-02T03:04:05Z"])
    """When the run began, UTC."""
    model_id: str = Field(examples=["discriminative"])
    """The model that compares videos."""
    num_videos: int = Field(examples=[12500])
    """Number of videos in the index."""
    num_segments: int = Field(examples=[100000])
    """Number of segments of these videos."""


class Service:
    """Runs the checker for the application, in a thread pool.

    Args:
        checker: opened for `limits.num_at_once` threads, with `uploads` among its roots.
        uploads: folder of uploaded files; no other process writes to it.
        limits: limits of requests.
    """

    def __init__(self, checker: Checker, uploads: Path, limits: ServiceLimits) -> None:
        self._checker = checker
        self._uploads = uploads
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.num_at_once, thread_name_prefix="check")
        self._slots = asyncio.Semaphore(limits.num_at_once)

    @asynccontextmanager
    async def run(self, _: FastAPI) -> AsyncIterator[None]:
        """Check for new indexes while the service runs; at its end, wait for the checks in progress."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            self._threads.shutdown()
            self._checker.close()

    async def check(self, file: UploadFile | None, uri: str | None, video_id: str | None) -> Answer:
        """Check an upload or the video at a URI, after a free slot is available.

        Raises:
            ProblemError: the request cannot be answered.
        """
        if (file is None) == (uri is None):
            raise ProblemError(422, "send either file or uri, not both", "INVALID_REQUEST")
        try:
            async with asyncio.timeout(self._limits.time_limit_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise ProblemError(503, "the request waited longer than the time limit") from error
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._check, file, uri, video_id)
            return await asyncio.shield(work)  # a thread cannot be stopped: the checker enforces the limit
        except UnreadableVideoError as error:
            raise ProblemError.of_video(error) from error
        except TimeLimitError as error:
            raise ProblemError(504, str(error)) from error
        finally:
            self._slots.release()

    def health(self) -> Health:
        """Return which index and model answer."""
        card = self._checker.card
        return Health(
            status="ok",
            index_version=card.version,
            published_at=card.published_at,
            model_id=card.model_id,
            num_videos=card.num_videos,
            num_segments=card.num_segments,
        )

    def _check(self, file: UploadFile | None, uri: str | None, video_id: str | None) -> Answer:
        """Check in a thread. An upload is a named file while it is read, because decoders open files by name."""
        if file is None:
            return self._checker.check(str(uri), video_id)
        with tempfile.NamedTemporaryFile(dir=self._uploads) as named:
            shutil.copyfileobj(file.file, named)
            named.flush()
            return self._checker.check(named.name, video_id)

    async def _watch(self) -> None:
        """Open each new index that a nightly run publishes."""
        while True:
            await asyncio.sleep(self._limits.reload_seconds)
            try:
                if await asyncio.to_thread(self._checker.refresh):
                    log.info("index opened", version=self._checker.card.version)
            except (NdvrError, OSError) as error:  # the old index stays in use
                log.error("index not opened", exc_info=error)


def make_app(service: Service, limits: ServiceLimits, token: str | None) -> FastAPI:
    """Make the application.

    Args:
        service: answers the requests.
        limits: limits of requests.
        token: bearer token that requests to /check must have; None accepts every request.
    """
    scheme = HTTPBearer(auto_error=False, description="The token of the service: NDVR_TOKEN when it was started.")
    app = FastAPI(
        title="ndvr",
        version=CODE_VERSION,
        summary="Does the lake already have this video?",
        description=INTRODUCTION,
        lifespan=service.run,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's own pages load their scripts from another host
        redoc_url=None,
    )
    _add_operations(app, service, [] if token is None else [Depends(scheme)])
    complete_description(app)
    add_page(app)
    _add_handlers(app)
    app.add_middleware(
        Gate,
        token=token,
        max_requests=(1 + _WAITING_PER_WORKER) * limits.num_at_once,
        max_body_bytes=limits.max_upload_bytes + _FORM_BYTES,
        stall_seconds=limits.time_limit_seconds,
    )
    app.add_middleware(RequestLog)  # the last one added is the outermost
    return app


def _add_operations(app: FastAPI, service: Service, bearer: list[Any]) -> None:
    """Add `POST /check` and `GET /healthz`."""

    @app.post(
        CHECK_PATH,
        response_model=Answer,
        response_description="The video was compared; `is_duplicate` is the verdict.",
        responses=describe_problems(400, 401, 403, 404, 408, 413, 415, 422, 503, 504),
        dependencies=bearer,
        operation_id="check",
    )
    async def check(
        request: Request,
        file: _File = None,
        uri: _Uri = None,
        video_id: _VideoId = None,
    ) -> Answer:
        """Check whether the lake already has a video's footage, and which video is the original.

        Send either `file` or `uri`.
        """
        note_in_log(request.scope, uri=uri, video_id=video_id, file=file and file.filename)
        answer = await service.check(file, uri, video_id)
        note_in_log(
            request.scope,
            is_duplicate=answer.is_duplicate,
            original=answer.original,
            exact_match=answer.exact_match,
            match_probability=answer.match_probability,
            check_seconds=answer.seconds,
        )
        return answer

    @app.get("/healthz", operation_id="healthz", response_description="The service answers.")
    async def healthz() -> Health:
        """Return which index and model answer. It needs no token."""
        return service.health()


def _add_handlers(app: FastAPI) -> None:
    """Make every error response a problem."""
    app.add_exception_handler(ProblemError, _respond_to_problem)
    app.add_exception_handler(RequestValidationError, _respond_to_invalid_request)
    app.add_exception_handler(HTTPException, _respond_to_http_error)  # raised by FastAPI itself
    app.add_exception_handler(Exception, _respond_to_fault)


async def _respond_to_problem(request: Request, error: Any) -> JSONResponse:  # noqa: ANN401 -- Starlette's type of a handler
    note_in_log(request.scope, error_code=error.problem.error_code)
    response: JSONResponse = error.respond()
    return response


async def _respond_to_invalid_request(request: Request, error: Any) -> JSONResponse:  # noqa: ANN401 -- as above
    note_in_log(request.scope, error_code="INVALID_REQUEST")
    reasons = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
    return JSONResponse(Problem(error_code="INVALID_REQUEST", reason=reasons).model_dump(), 422)


async def _respond_to_http_error(request: Request, error: Any) -> JSONResponse:  # noqa: ANN401 -- as above
    code = CODE_OF_STATUS.get(error.status_code, "BAD_REQUEST")
    note_in_log(request.scope, error_code=code)
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":  # the gate passes HEAD on as GET
        headers["Allow"] = "GET, HEAD"
    problem = Problem(error_code=code, reason=str(error.detail))
    return JSONResponse(problem.model_dump(), error.status_code, headers)


async def _respond_to_fault(_: Request, error: Any) -> JSONResponse:  # noqa: ANN401 -- as above
    del error  # Starlette raises it again after the response, and uvicorn logs it
    return ProblemError(500, "unexpected error; the log of the service has the traceback").respond()

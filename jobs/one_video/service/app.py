"""The FastAPI application: `POST /check`, `GET /healthz`, and the OpenAPI page at `/docs`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from jobs.contracts.run import CODE_VERSION
from jobs.contracts.run_log import log
from jobs.errors import NdvrError, TimeLimitError, UnreadableVideoError
from jobs.one_video.answer import Answer
from jobs.one_video.service.gate import CHECK_PATH, Gate
from jobs.one_video.service.problems import CODE_OF_STATUS, Problem, ProblemError, describe_problems

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from jobs.one_video.checker import Checker

_WAITING_PER_WORKER = 8
"""Requests that may wait for each one that is answered; more are told to come again."""
_FORM_BYTES = 1 << 16
"""What a form may have beside its file."""


@dataclass(frozen=True)
class ServiceLimits:
    """What a request may cost.

    Attributes:
        num_at_once: videos that are checked at a time.
        max_upload_bytes: of a file.
        time_limit_seconds: of one check, and that one may wait for its turn.
        reload_seconds: between two looks for a new index.
    """

    num_at_once: int = 2
    max_upload_bytes: int = 2 * 1024**3
    time_limit_seconds: float = 60.0
    reload_seconds: float = 5.0


class Health(BaseModel):
    """What the service answers by."""

    status: str
    index_version: str
    published_at: str
    model_id: str
    num_videos: int
    num_segments: int


class Service:
    """The checker behind the application, in threads of its own.

    Args:
        checker: opened for `limits.num_at_once` threads, with `uploads` among its roots.
        uploads: a folder that nobody else writes to.
        limits: what a request may cost.
    """

    def __init__(self, checker: Checker, uploads: Path, limits: ServiceLimits) -> None:
        self._checker = checker
        self._uploads = uploads
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.num_at_once, thread_name_prefix="check")
        self._room = asyncio.Semaphore(limits.num_at_once)

    @asynccontextmanager
    async def run(self, _: FastAPI) -> AsyncIterator[None]:
        """Look for new indexes as long as the service lives; at its end wait for what is being answered."""
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
        """Check an upload or what lies at a URI, when it is its turn.

        Raises:
            ProblemError: there is no answer.
        """
        if (file is None) == (uri is None):
            raise ProblemError(422, "send either file or uri", "INVALID_REQUEST")
        try:
            async with asyncio.timeout(self._limits.time_limit_seconds):
                await self._room.acquire()
        except TimeoutError as error:
            raise ProblemError(503, "no turn came within the time limit") from error
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._check, file, uri, video_id)
            return await asyncio.shield(work)  # a thread cannot be stopped: the checker keeps its own time
        except UnreadableVideoError as error:
            raise ProblemError.of_video(error) from error
        except TimeLimitError as error:
            raise ProblemError(504, str(error)) from error
        finally:
            self._room.release()

    def health(self) -> Health:
        """Tell what answers go by."""
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
        """Check in a thread. An upload gets a name for as long as it is read, since decoders open files by names."""
        if file is None:
            return self._checker.check(str(uri), video_id)
        with tempfile.NamedTemporaryFile(dir=self._uploads) as named:
            shutil.copyfileobj(file.file, named)
            named.flush()
            return self._checker.check(named.name, video_id)

    async def _watch(self) -> None:
        """Open what a night publishes."""
        while True:
            await asyncio.sleep(self._limits.reload_seconds)
            try:
                if await asyncio.to_thread(self._checker.refresh):
                    log.info("index opened", version=self._checker.card.version)
            except (NdvrError, OSError) as error:  # the old index answers on
                log.error("index not opened", exc_info=error)


def make_app(service: Service, limits: ServiceLimits, token: str | None) -> FastAPI:
    """Make the application.

    Args:
        service: what answers.
        limits: of requests.
        token: that requests to check must carry; None lets everybody in.
    """
    bearer = [Depends(HTTPBearer(auto_error=False))] if token is not None else []
    app = FastAPI(title="ndvr", version=CODE_VERSION, summary="Is this video known already?", lifespan=service.run)

    @app.post(
        CHECK_PATH,
        response_model=Answer,
        responses=describe_problems(400, 401, 403, 404, 408, 413, 415, 422, 503, 504),
        dependencies=bearer,
    )
    async def check(
        file: Annotated[UploadFile | None, File(description="a video")] = None,
        uri: Annotated[str | None, Form(min_length=1, description="or a path or URI below the allowed roots")] = None,
        video_id: Annotated[str | None, Form(min_length=1, description="the id that it has or will have")] = None,
    ) -> Answer:
        """Say whether the lake has a video's footage already, and which video to point at."""
        return await service.check(file, uri, video_id)

    @app.get("/healthz")
    async def healthz() -> Health:
        """Tell which index and model answer."""
        return service.health()

    app.add_exception_handler(ProblemError, _tell_problem)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    for status in (400, 404, 405):  # what FastAPI itself raises
        app.add_exception_handler(status, _tell_http)
    app.add_middleware(
        Gate,
        token=token,
        max_requests=(1 + _WAITING_PER_WORKER) * limits.num_at_once,
        max_body_bytes=limits.max_upload_bytes + _FORM_BYTES,
        stall_seconds=limits.time_limit_seconds,
    )
    return app


async def _tell_problem(_: Request, error: Any) -> JSONResponse:  # noqa: ANN401 -- Starlette's type of a handler
    return JSONResponse(error.problem.model_dump(), error.status, error.headers)


async def _tell_invalid(_: Request, error: Any) -> JSONResponse:  # noqa: ANN401 -- as above
    faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return JSONResponse(Problem(error_code="INVALID_REQUEST", reason=faults).model_dump(), 422)


async def _tell_http(_: Request, error: Any) -> JSONResponse:  # noqa: ANN401 -- as above
    code = CODE_OF_STATUS.get(error.status_code, "BAD_REQUEST")
    problem = Problem(error_code=code, reason=str(error.detail))
    return JSONResponse(problem.model_dump(), error.status_code, error.headers)

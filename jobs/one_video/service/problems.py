"""The error responses: a status, an error_code and the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from udfs.errors import RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.errors import UnreadableVideoError

RETRY_AFTER_SECONDS = 2
_UNPROCESSABLE = 422
_STATUS_OF = {
    RowErrorCode.OUTSIDE_ROOTS: 403,
    RowErrorCode.ACCESS_DENIED: 403,
    RowErrorCode.NOT_FOUND: 404,
    RowErrorCode.TOO_LARGE: 413,
    RowErrorCode.NOT_A_FILE: 415,
    RowErrorCode.NOT_A_VIDEO: 415,
    RowErrorCode.PLAYLIST_REFUSED: 415,
    RowErrorCode.NO_VIDEO_STREAM: 415,
    RowErrorCode.DECODE_TIMEOUT: 504,
}
"""HTTP status of a quarantine code; any other code gets 422, unprocessable."""
CODE_OF_STATUS = {
    400: "BAD_REQUEST",
    401: "UNAUTHORISED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "UPLOAD_TOO_SLOW",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    500: "INTERNAL_ERROR",
    503: "BUSY",
    504: "TIME_LIMIT",
}


_HEADERS_OF_STATUS = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}
"""Headers that RFC 9110 requires or recommends."""


class Problem(BaseModel):
    """The reason why a request was not answered."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    error_code: str = Field(examples=["NOT_A_VIDEO"])
    """Kind of error; for an unreadable video, its error_code in the table quarantine."""
    reason: str = Field(examples=["the first bytes are those of no supported container"])
    """Which value violates which rule."""


class ProblemError(HTTPException):
    """Ends a request with an error response.

    It is an HTTPException because FastAPI passes only those on while it reads a body, and answers 400 to any other.

    Args:
        status: HTTP status.
        reason: which value violates which rule.
        code: error_code; None uses that of the status.
        headers: headers of the response, besides those that every response with this status has.
    """

    def __init__(
        self, status: int, reason: str, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, reason, {**_HEADERS_OF_STATUS.get(status, {}), **(headers or {})})
        self.problem = Problem(error_code=code or CODE_OF_STATUS[status], reason=reason)

    def respond(self) -> JSONResponse:
        """Make the response."""
        return JSONResponse(self.problem.model_dump(), self.status_code, self.headers)

    @classmethod
    def of_video(cls, error: UnreadableVideoError) -> ProblemError:
        """Make the problem of a video that cannot be read."""
        return cls(_STATUS_OF.get(RowErrorCode(error.code), _UNPROCESSABLE), error.detail, error.code)


def describe_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error responses of an operation for OpenAPI."""
    descriptions = {
        400: "The body does not match its content type.",
        401: "The bearer token is missing or wrong.",
        403: "The URI is outside the allowed roots, or access is denied.",
        404: "No file exists at the URI.",
        408: "The upload paused for too long, or is too slow.",
        413: "The upload or file is too large.",
        415: "The body is not a form, or the file is not a video in a supported container.",
        422: "The request is invalid, or the video cannot be read.",
        503: "Too many requests are waiting; try again later.",
        504: "The check exceeded its time limit.",
    }
    return {status: {"model": Problem, "description": descriptions[status]} for status in statuses}

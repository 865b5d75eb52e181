"""The error responses: a status, an error_code and the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from udfs.errors import RowErrorCode

if TYPE_CHECKING:
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
    503: "BUSY",
    504: "TIME_LIMIT",
}


class Problem(BaseModel):
    """The reason why a request was not answered."""

    error_code: str = Field(
        description="kind of error; for an unreadable video, its error_code in the table quarantine"
    )
    reason: str = Field(description="which value violates which rule")


class ProblemError(Exception):
    """Ends a request with an error response.

    Args:
        status: HTTP status.
        reason: which value violates which rule.
        code: error_code; None uses that of the status.
    """

    def __init__(self, status: int, reason: str, code: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.problem = Problem(error_code=code or CODE_OF_STATUS[status], reason=reason)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response."""
        if self.status == 401:  # noqa: PLR2004 -- statuses are best known by their numbers
            return {"WWW-Authenticate": "Bearer"}
        return {"Retry-After": str(RETRY_AFTER_SECONDS)} if self.status == 503 else {}  # noqa: PLR2004

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
        408: "The upload paused for too long.",
        413: "The upload or file is too large.",
        415: "The file is not a video in a supported container.",
        422: "The request is invalid, or the video cannot be read.",
        503: "Too many requests are waiting; try again later.",
        504: "The check exceeded its time limit.",
    }
    return {status: {"model": Problem, "description": descriptions[status]} for status in statuses}

"""The faults of rows: the error codes of the quarantine table, and the exception with such a code."""

from __future__ import annotations

from enum import StrEnum

MAX_DETAIL_CHARACTERS = 500


class RowErrorCode(StrEnum):
    """The kind of a row's fault. The value is stored in `quarantine.error_code`."""

    MISSING_URI = "MISSING_URI"
    UNSUPPORTED_SCHEME = "UNSUPPORTED_SCHEME"
    OUTSIDE_ROOTS = "OUTSIDE_ROOTS"
    NOT_FOUND = "NOT_FOUND"
    ACCESS_DENIED = "ACCESS_DENIED"
    NOT_A_FILE = "NOT_A_FILE"
    READ_FAILED = "READ_FAILED"
    EMPTY_FILE = "EMPTY_FILE"
    TOO_LARGE = "TOO_LARGE"
    NOT_A_VIDEO = "NOT_A_VIDEO"
    PLAYLIST_REFUSED = "PLAYLIST_REFUSED"
    TRUNCATED = "TRUNCATED"
    REPLACED = "REPLACED"
    OPEN_FAILED = "OPEN_FAILED"
    NO_VIDEO_STREAM = "NO_VIDEO_STREAM"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_LONG = "TOO_LONG"
    NO_FRAMES = "NO_FRAMES"
    UNREAD_PARTS = "UNREAD_PARTS"
    CORRUPT = "CORRUPT"
    DECODE_FAILED = "DECODE_FAILED"
    DECODE_TIMEOUT = "DECODE_TIMEOUT"
    DECODER_CRASHED = "DECODER_CRASHED"
    DECODER_OUT_OF_MEMORY = "DECODER_OUT_OF_MEMORY"


class RowError(Exception):
    """A fault of one row. The row is quarantined; the task does not fail.

    Args:
        code: the kind of fault.
        detail: which value violates which rule. It is truncated to `MAX_DETAIL_CHARACTERS`.
    """

    def __init__(self, code: RowErrorCode, detail: str) -> None:
        self.code = code
        self.detail = detail[:MAX_DETAIL_CHARACTERS]
        super().__init__(f"{code}: {self.detail}")

    def __reduce__(self) -> tuple[type[RowError], tuple[RowErrorCode, str]]:
        return RowError, (self.code, self.detail)

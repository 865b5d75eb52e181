"""The errors that end a command, each with an exit code for schedulers.

A failure of a single video is not such an error: it becomes a row of the quarantine table.
"""

from __future__ import annotations

from typing import ClassVar


def first_line(message: str) -> str:
    """Return the first line with text of a message. The lines after it are Spark plans and Java stack traces."""
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


def java_message(error: Exception) -> str:
    """Return the message of the Java exception that caused an error, or that of the error itself."""
    return str(getattr(error, "java_exception", error))


class NdvrError(Exception):
    """Base class of the errors that end a run. Exit code 1."""

    exit_code: ClassVar[int] = 1


class UsageError(NdvrError):
    """The command line, the config, or a path in them is wrong; no work was started. Exit code 2."""

    exit_code = 2


class ContractError(NdvrError):
    """A table or the manifest violates its contract. Exit code 3."""

    exit_code = 3


class QualityError(NdvrError):
    """A quality gate tripped; the published tables are unchanged. Exit code 4."""

    exit_code = 4


class UnreadableVideoError(NdvrError):
    """The queried video cannot be read or described. The message begins with its error_code. Exit code 5.

    Args:
        code: error code, as in `quarantine.error_code`.
        detail: the value and the rule that it breaks.
    """

    exit_code = 5

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


class TimeLimitError(NdvrError):
    """The check of one video exceeded its time limit. Exit code 5."""

    exit_code = 5

"""Faults of the program or of what it was given as a whole, each with the exit code a scheduler can act on.

A fault of one video is no error here: it is a row of the quarantine table.
"""

from __future__ import annotations

from typing import ClassVar


def first_line(message: str) -> str:
    """Return the first line of a message that says something; below it Spark has plans, and Java its stack."""
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


class NdvrError(Exception):
    """Any fault that ends a run. Exit code 1."""

    exit_code: ClassVar[int] = 1


class UsageError(NdvrError):
    """The command line, the config or a path named in them is wrong; nothing was started. Exit code 2."""

    exit_code = 2


class ContractError(NdvrError):
    """A table (the manifest among them) is not what its contract says. Exit code 3."""

    exit_code = 3


class QualityError(NdvrError):
    """A quality gate tripped; what people query is as it was before the run. Exit code 4."""

    exit_code = 4


class UnreadableVideoError(NdvrError):
    """The one video that was asked about cannot be read or described; the message begins with its error_code. Exit 5.

    Args:
        code: as `quarantine.error_code` would say it.
        detail: which value broke which rule.
    """

    exit_code = 5

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


class TimeLimitError(NdvrError):
    """The answer about one video took longer than it may. Exit code 5."""

    exit_code = 5

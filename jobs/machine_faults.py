"""Recognises faults of a machine or of its set-up in the output of Java and in error messages."""

from __future__ import annotations

import re
from typing import NamedTuple

from jobs.errors import first_line
from jobs.known_faults import MACHINE_FAULTS, STORE_FAULTS

_KNOWN = (*STORE_FAULTS, *MACHINE_FAULTS)
_FIRST_CLASS_VERSION = 44  # class files of Java N have the version 44 + N (JVM specification, section 4.1)


class MachineFault(NamedTuple):
    """The cause of an error, and what to do.

    Attributes:
        cause: in words, with the values that the output has.
        remedy: what to do.
        is_setup: whether it lasts until a person changes the set-up.
    """

    cause: str
    remedy: str
    is_setup: bool


# These lines precede the reason, or are no reason.
_NOISE = re.compile(
    r"Picked up |WARNING: |Using Spark's default log4j|Setting default log level|To adjust logging level|"
    r":: |\s|[\w.-]+#[\w.-]+ added as a dependency|Ivy Default Cache|The jars for the packages|"
    r"\S+ \S+ (?:WARN|INFO|DEBUG) |#\s*$|# A fatal error|OpenJDK .* warning|Java HotSpot.* warning"
)
# Lines that announce an error, which the next line states.
_ANNOUNCEMENT = re.compile(
    r"\S+ \S+ ERROR SparkContext: Error initializing|Error: A JNI error|Error occurred during init|Error: LinkageError|"
    r".*ExceptionInInitializerError$"
)
_REASON = re.compile(r"Exception|[Ee]rror|ERROR|FATAL|No such file|not found|[Cc](?:an|ould )not|denied|Unrecognized")


def find_machine_fault(text: str) -> MachineFault | None:
    """Return the fault that the output of Java or a message describes; None if it is no known fault."""
    found = [
        (text.count("\n", 0, match.start()), index, match)
        for index, known in enumerate(_KNOWN)
        if (match := re.search(known.pattern, text))
    ]
    if not found:
        return None
    _, index, match = min(found, key=lambda item: item[:2])  # later lines are often consequences of the first
    known = _KNOWN[index]
    groups = ["" if group is None else group for group in match.groups()]
    versions = {name: int(value) - _FIRST_CLASS_VERSION for name, value in match.groupdict().items()}
    return MachineFault(known.cause.format(*groups, **versions).strip(), known.remedy, known.is_setup)


def find_reason(output: str) -> str:
    """Return the first line of the output of Java that states an error; else the first line that is no routine message.

    Empty if there is none.
    """
    lines = [line for line in output.splitlines() if line.strip() and not _NOISE.match(line)]
    stated = [line for line in lines if _REASON.search(line) and not _ANNOUNCEMENT.match(line)]
    return first_line("\n".join(stated or lines))

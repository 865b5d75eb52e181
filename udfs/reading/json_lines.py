"""Reads JSON lines: a line ends with LF, and every line that is not blank is one JSON value or a fault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from udfs.reading.csv_records import decode_line, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class JsonLine(NamedTuple):
    """A line of a JSON lines file.

    Attributes:
        line: its number, from 1.
        value: what it holds; None if it has a fault.
        fault: why it cannot be used, with the beginning of its text; None if it can.
    """

    line: int
    value: Any
    fault: str | None = None


def read_json_lines(lines: Iterable[bytes]) -> Iterator[JsonLine]:
    """Read the values of one file. Blank lines are left out. Runs on: driver or executor, with one line in memory.

    A line with anything after its value is a fault, so is an object that has a name twice, and text with half of a
    surrogate pair, which no table can store. A line may end with CR LF, because JSON ignores the CR.

    Args:
        lines: the file, split at LF, without the LF. A byte order mark of UTF-8 is ignored.
    """
    for number, raw in enumerate(lines, start=1):
        text, fault = decode_line(raw, is_first=number == 1)
        if fault is not None:
            yield JsonLine(number, None, fault)
        elif text.strip(" \t\r"):  # the white space of JSON
            try:
                yield JsonLine(number, parse_json(text))
            except json.JSONDecodeError as error:
                yield JsonLine(number, None, f"no JSON ({error.msg} at character {error.pos + 1}): {show(text)}")
            except (ValueError, RecursionError) as error:
                yield JsonLine(number, None, f"{error}: {show(text)}")


def parse_json(text: str) -> Any:  # noqa: ANN401 - JSON may hold anything
    r"""Parse a JSON text.

    Raises:
        ValueError: it is not JSON, an object has a name twice, or `\u` escapes form half of a surrogate pair.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(text, object_pairs_hook=_make_object)
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("text with half of a surrogate pair") from error
    return value


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object whose names differ."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {repeated!r} occurs twice in one object")
    return made

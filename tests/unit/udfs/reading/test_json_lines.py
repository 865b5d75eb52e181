"""Each line of a JSON lines file is one value, or a fault that names its line."""

from __future__ import annotations

import pytest

from udfs.reading.json_lines import JsonLine, read_json_lines


def read(content: str | bytes) -> list[JsonLine]:
    raw = content.encode() if isinstance(content, str) else content
    return list(read_json_lines(raw.split(b"\n")))


def test_only_a_line_feed_ends_a_line() -> None:
    assert read('\ufeff{"a": "x\u2028y\x85z"}\r\n\n \t\r\n{"a":\r1}\n') == [
        JsonLine(1, {"a": "x\u2028y\x85z"}),
        JsonLine(4, {"a": 1}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}{"a": 2}', 'no JSON (Extra data at character 9): \'{"a": 1}{"a": 2}\''),
        ('{"a": 1}\r{"a": 2}', "Extra data"),
        ('{"a": 1},', "Extra data"),
        ('{"a": 1', "Expecting ',' delimiter"),
        ("{'a': 1}", "Expecting property name enclosed in double quotes"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the name 'c' occurs twice in one object"),
        ('{"a": "\\ud83d"}', "text with half of a surrogate pair"),
        ('{"a": "tab\there"}', "Invalid control character"),
        (b'{"a": "caf\xe9"}', "the byte 0xe9 is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "a NUL byte"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_fault(content: str | bytes, message: str) -> None:
    raw = content.encode() if isinstance(content, str) else content
    (found,) = read(b"\n" + raw.removesuffix(b"\n"))
    assert (found.line, found.value) == (2, None)
    assert message in (found.fault or "")


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert read('{"a": "\\ud83d\\ude00\\u0000"}')[0].value == {"a": "\U0001f600\0"}

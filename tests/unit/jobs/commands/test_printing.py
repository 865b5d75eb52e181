"""Rows as a table, or one field per line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.commands.printing import print_answer, print_rows
from jobs.querying.answer import AnswerRows

if TYPE_CHECKING:
    import pytest

LONG = "id-" + "x" * 100


def test_a_table_that_fits_is_printed_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(AnswerRows(["id", "n"], [[LONG, 1], [None, True]]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split() == ["│", LONG, "│", "1", "│"]
    assert len(lines) == 6


def test_a_wide_table_has_one_field_per_line_and_whole_texts(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(AnswerRows(["a", "long"], [[LONG, LONG * 2], ["two\nlines", None]]))
    assert capsys.readouterr().out == (
        f"1 of 2\n  a     {LONG}\n  long  {LONG * 2}\n\n2 of 2\n  a     two\n        lines\n  long\n"
    )


def test_lists_and_maps_are_truncated(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(AnswerRows(["v"], [[[0.5] * 100], [{"k": 1}]]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("│ [0.5, 0.5")
    assert lines[3].endswith("… │")
    assert lines[4].startswith('│ {"k": 1} ')


def test_markup_and_codes_of_a_terminal_are_no_commands(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(AnswerRows(["[b]"], [["[red]a[/red]\x1b]0;b\x07"]]))
    print_rows(("id",), [("[bold]",)])
    printed = capsys.readouterr().out
    assert "[red]a[/red]" in printed
    assert "[b]" in printed
    assert "[bold]" in printed
    assert r"\x1b]0;b\x07" in printed
    assert "\x1b" not in printed


def test_no_rows_are_a_table_with_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(AnswerRows(["a"], []))
    assert "┃ a ┃" in capsys.readouterr().out

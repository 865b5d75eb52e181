"""The prompt of `ndvr sql`: statements with history and completion."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings

from jobs.errors import NdvrError
from jobs.querying.parsing import has_words, split_statements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prompt_toolkit.history import History
    from prompt_toolkit.key_binding import KeyPressEvent

    from jobs.querying.answer import AnswerRows
    from jobs.querying.session import QuerySession

_KEYWORDS = (
    *(
        "SELECT",
        "DISTINCT",
        "FROM",
        "WHERE",
        "GROUP BY",
        "HAVING",
        "ORDER BY",
        "LIMIT",
        "OFFSET",
        "WITH",
        "AS",
        "UNION",
    ),
    *(
        "ALL",
        "JOIN",
        "LEFT",
        "RIGHT",
        "FULL",
        "INNER",
        "CROSS",
        "SEMI",
        "ANTI",
        "ON",
        "USING",
        "AND",
        "OR",
        "NOT",
        "IN",
    ),
    *("BETWEEN", "LIKE", "IS", "NULL", "TRUE", "FALSE", "CASE", "WHEN", "THEN", "ELSE", "END", "EXISTS", "ASC", "DESC"),
    *("SHOW TABLES", "DESCRIBE", "EXPLAIN", "count", "sum", "min", "max", "avg", "round", "coalesce", "lower", "upper"),
)
_QUIT = frozenset({"quit", "exit", r"\q"})


def run_prompt(session: QuerySession, show: Callable[[AnswerRows], None]) -> None:
    """Ask for statements and show their answers until the input ends.

    A statement ends in a semicolon and may span lines. The error of a statement is printed, and the prompt goes on.
    Ctrl-C discards the line, Ctrl-D ends.
    """
    prompt: PromptSession[str] = PromptSession(
        history=open_history(),
        completer=WordCompleter([*_KEYWORDS, *session.list_words()], ignore_case=True),
        complete_while_typing=False,
        multiline=True,
        prompt_continuation="   ... ",
        key_bindings=make_bindings(),
    )
    sys.stdout.write("A statement ends in ;. Tab completes. SHOW TABLES lists tables and views. Ctrl-D ends.\n")
    while True:
        try:
            text = prompt.prompt("ndvr > ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.strip().rstrip(";").lower() in _QUIT:
            return
        for statement in list_statements(text):
            try:
                show(session.answer(statement))
            except NdvrError as error:
                sys.stderr.write(f"{error}\n")
                break


def list_statements(text: str) -> list[str]:
    """Return the statements of an entry; the last needs no semicolon."""
    complete, rest = split_statements(text)
    return [*complete, *([rest] if has_words(rest) else [])]


def is_complete(text: str) -> bool:
    """Return whether an entry is to be run: it ends in a semicolon, is a command of the prompt, or is empty."""
    if text.strip().lower() in {"", *_QUIT}:
        return True
    complete, rest = split_statements(text)
    return bool(complete) and not has_words(rest)


def make_bindings() -> KeyBindings:
    """Return key bindings by which Enter runs a complete entry, and otherwise begins a line."""
    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return bindings


def open_history(environment: Mapping[str, str] = os.environ) -> History:
    """Return the history in the folder of the XDG base directory specification for state; in memory if it is read-only.

    Statements may name videos and owners, so only the user may read the file.
    """
    state = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    file = Path(state) / "ndvr" / "sql_history"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))

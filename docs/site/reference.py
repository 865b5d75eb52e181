"""Writes the reference pages out of what the program itself says: its parser, its settings, its tables.

mkdocs calls `on_files` while it builds the site; nothing of it is kept in the repository.
"""
# ruff: noqa: INP001 -- mkdocs loads it by its path

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from rich.text import Text

from jobs.cli import JOBS, load_job
from jobs.config.settings import Config
from jobs.pipeline import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from pydantic.fields import FieldInfo
    from typer.core import TyperCommand

    from jobs.contracts.table import Table

_COLUMN = re.compile(r"^\s*(\w+) (.+?)( NOT NULL)?(?: COMMENT '((?:[^'\\]|\\.)*)')?,?$")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    pages = {"commands": write_commands(), "settings": write_settings(), "tables": write_tables()}
    for name, lines in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content="\n".join(lines) + "\n"))
    return files


def write_commands() -> Iterator[str]:
    """Describe every command as its parser does."""
    yield "# Commands\n"
    yield "`ndvr --help` lists them, `ndvr COMMAND --help` tells what follows here. `ndvr --install-completion` lets"
    yield "the shell complete commands, options and their values; `ndvr --version` tells the version.\n"
    yield "What answers prints a table to people and, with `--json`, JSON to programs, on standard output; progress and"
    yield "errors go to standard error. There are no colours where `NO_COLOR` is set or no terminal is there.\n"
    panel = ""
    for name, job in JOBS.items():
        if job.panel != panel:
            panel = job.panel
            yield f"## {panel}\n"
        yield from _write_command(name, load_job(name))


def _write_command(name: str, command: TyperCommand) -> Iterator[str]:
    """Describe one command."""
    yield f"### ndvr {name}\n"
    yield (command.help or "").strip() + "\n"
    context = command.make_context(name, [], resilient_parsing=True)
    yield "| | value | | default |\n|---|---|---|---|"
    for param in command.params:
        is_argument = param.param_type_name == "argument"
        shown = f"`{param.name.upper()}`" if is_argument else ", ".join(f"`{option}`" for option in param.opts)
        kind = "" if getattr(param, "is_flag", False) else param.display_type(context).strip("<>")
        yield f"| {shown} | {_cell(kind)} | {_cell(_plain(param.help or ''))} | {_cell(_describe_default(param))} |"
    yield ""
    lines = _plain(command.epilog or "").splitlines()[1:]
    yield "```console\n" + "\n".join(lines) + "\n```\n"


def _describe_default(param: Any) -> str:  # noqa: ANN401 -- a parameter of Typer's, whose type is private
    """Say what holds where an option is not given."""
    if param.required:
        return "required"
    if isinstance(param.show_default, str):
        return param.show_default
    if param.default is None or getattr(param, "is_flag", False):
        return ""
    return f"`{getattr(param.default, 'value', param.default)}`"


def write_settings() -> Iterator[str]:
    """Describe every setting as its model does."""
    yield "# Settings\n"
    yield "A YAML file of sections and keys, given by `--config`; each key can also be given as an environment"
    yield "variable, `NDVR_SECTION__KEY` (`NDVR_DESCRIBE__SAMPLE_FPS=2`; lists are JSON there), which wins. Unknown"
    yield "keys are errors, and all errors are told at once. Units are the ends of the names: `_seconds`, `_hours`,"
    yield "`_days`, `_bytes`, `_pixels`, `_fps`; a `_fraction` is from 0 to 1.\n"
    for section, field in Config.model_fields.items():
        model: Any = field.annotation
        yield f"## {section}\n"
        yield f"{inspect.getdoc(model)}\n"
        yield "| key | default | |\n|---|---|---|"
        for key, setting in model.model_fields.items():
            yield f"| `{key}` | {_cell(_show_default(setting))} | {_cell(setting.description or '')} |"
        yield ""


def _show_default(setting: FieldInfo) -> str:
    """Return a default as YAML would have it."""
    value = setting.get_default()
    value = getattr(value, "value", value)
    if value is None or isinstance(value, bool):
        return f"`{ {None: 'null', True: 'true', False: 'false'}[value] }`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value:,}`".replace(",", "_") if isinstance(value, int) else f"`{value}`"


def write_tables() -> Iterator[str]:
    """Describe every table as its DDL does."""
    yield "# Tables\n"
    yield "Each is a Delta table at `<lake>/<table>`. The same comments are on the columns themselves (`DESCRIBE"
    yield "TABLE`); Delta enforces the checks on every write. [SQL](../sql.md) describes the views over them.\n"
    for table in TABLES:
        yield from _write_table(table)


def _write_table(table: Table) -> Iterator[str]:
    """Describe one table."""
    yield f"## {table.name}\n"
    yield f"{table.grain}. Key: {', '.join(f'`{column}`' for column in table.key)}.\n"
    yield "| column | type | | |\n|---|---|---|---|"
    for line in filter(str.strip, table.ddl.splitlines()):
        found = _COLUMN.match(line)
        if found is None:
            raise ValueError(f"table {table.name}: a column a line, with its comment; got {line!r}")
        name, kind, is_required, comment = found.groups()
        yield f"| `{name}` | {_cell(kind)} | {'not null' if is_required else ''} | {_cell(comment or '')} |"
    yield ""
    if table.checks:
        yield "Checks: " + "; ".join(f"`{rule}`" for rule in table.checks.values()) + ".\n"


def _plain(text: str) -> str:
    """Return a text without Rich's marks."""
    return Text.from_markup(text).plain


def _cell(text: str) -> str:
    """Make text fit into a cell of a table."""
    return text.replace("|", r"\|").replace("\n", " ").replace("<", "&lt;")

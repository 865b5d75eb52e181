"""Generates the reference pages from the command line parser, the settings and the tables.

mkdocs calls `on_files` while it builds the site. The pages are not stored in the repository.
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
    """Write the page of all commands, from their parsers."""
    yield "# Commands\n"
    yield "`ndvr --help` lists the commands, and `ndvr COMMAND --help` prints the text of this page."
    yield "`ndvr --install-completion` installs shell completion for commands, options and values."
    yield "`ndvr --version` prints the version.\n"
    yield "Results go to standard output, as a table or, with `--json`, as JSON. Progress and errors go to standard"
    yield "error."
    yield "Output has no colours if `NO_COLOR` is set or if the output is not a terminal.\n"
    panel = ""
    for name, job in JOBS.items():
        if job.panel != panel:
            panel = job.panel
            yield f"## {panel}\n"
        yield from _write_command(name, load_job(name))


def _write_command(name: str, command: TyperCommand) -> Iterator[str]:
    """Write the section of a command."""
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
    """Return the text for the default of a parameter."""
    if param.required:
        return "required"
    if isinstance(param.show_default, str):
        return param.show_default
    if param.default is None or getattr(param, "is_flag", False):
        return ""
    return f"`{getattr(param.default, 'value', param.default)}`"


def write_settings() -> Iterator[str]:
    """Write the page of all settings, from their models."""
    yield "# Settings\n"
    yield "`--config` names a YAML file of sections and keys. An environment variable `NDVR_SECTION__KEY` overrides a"
    yield "key (`NDVR_DESCRIBE__SAMPLE_FPS=2`; lists are JSON). Unknown keys are errors, and all errors are reported"
    yield "together. The suffix of a name is its unit: `_seconds`, `_hours`, `_days`, `_bytes`, `_pixels`, `_fps`."
    yield "A `_fraction` is in [0, 1].\n"
    for section, field in Config.model_fields.items():
        model: Any = field.annotation
        yield f"## {section}\n"
        yield f"{inspect.getdoc(model)}\n"
        yield "| key | default | |\n|---|---|---|"
        for key, setting in model.model_fields.items():
            yield f"| `{key}` | {_cell(_show_default(setting))} | {_cell(setting.description or '')} |"
        yield ""


def _show_default(setting: FieldInfo) -> str:
    """Return a default in YAML notation."""
    value = setting.get_default()
    value = getattr(value, "value", value)
    if value is None or isinstance(value, bool):
        return f"`{ {None: 'null', True: 'true', False: 'false'}[value] }`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value:,}`".replace(",", "_") if isinstance(value, int) else f"`{value}`"


def write_tables() -> Iterator[str]:
    """Write the page of all tables, from their DDL."""
    yield "# Tables\n"
    yield "Each table is a Delta table at `<lake>/<table>`. `DESCRIBE TABLE` prints the same comments. Delta enforces"
    yield "the checks on every write. [SQL](../sql.md) describes the views over them.\n"
    for table in TABLES:
        yield from _write_table(table)


def _write_table(table: Table) -> Iterator[str]:
    """Write the section of a table."""
    yield f"## {table.name}\n"
    yield f"{table.grain}. Key: {', '.join(f'`{column}`' for column in table.key)}.\n"
    yield "| column | type | | |\n|---|---|---|---|"
    for line in filter(str.strip, table.ddl.splitlines()):
        found = _COLUMN.match(line)
        if found is None:
            raise ValueError(f"table {table.name}: every line must be a column with its comment, got {line!r}")
        name, kind, is_required, comment = found.groups()
        yield f"| `{name}` | {_cell(kind)} | {'not null' if is_required else ''} | {_cell(comment or '')} |"
    yield ""
    if table.checks:
        yield "Checks: " + "; ".join(f"`{rule}`" for rule in table.checks.values()) + ".\n"


def _plain(text: str) -> str:
    """Return a text without the markup of Rich."""
    return Text.from_markup(text).plain


def _cell(text: str) -> str:
    """Escape text for a cell of a table."""
    return text.replace("|", r"\|").replace("\n", " ").replace("<", "&lt;")

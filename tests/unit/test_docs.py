"""The commands of the documentation are valid, and its lists are complete."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import typer
from rich.text import Text

from jobs import errors
from jobs.cli import JOBS, load_job
from jobs.commands.command_line import CLOSED_OUTPUT
from jobs.commands.query import DUPLICATE_EXIT_CODE
from jobs.config.loading import load_config
from jobs.pipeline import TABLES
from jobs.signals import SIGNALS
from tests.support.documented import PAGES, ROOT, Block, find_ndvr, find_script, read_blocks
from udfs.errors import RowErrorCode

if TYPE_CHECKING:
    from pathlib import Path

    from typer.core import TyperCommand

BLOCKS = read_blocks("sh")
TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.svg"))
# Start of a line -> a word in the test that runs it.
OTHER_COMMANDS = {
    "make zip": "zip",
    "export PYSPARK_PYTHON=": "PYSPARK_",
    "curl ": "/check",
    "echo ": "videos/manifest.csv",
    "for ": "videos/manifest.csv",
}


def parse(command: TyperCommand, name: str, arguments: list[str]) -> None:
    """Parse a command line without running it. The parser rejects unknown arguments."""
    command.make_context(name, list(arguments))


def parse_ndvr(arguments: list[str]) -> None:
    name, *rest = arguments
    assert name in JOBS, f"ndvr {name} does not exist"
    parse(load_job(name), name, rest)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_command_is_accepted_by_its_parser(block: Block) -> None:
    for line in block.commands:
        if (arguments := find_ndvr(line)) is not None:
            parse_ndvr(arguments)
        elif (script := find_script(line)) is not None:
            parse(typer.main.get_command(import_module(script[0]).app), script[0], script[1])


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_command_block_is_run_by_a_test_or_has_a_reason(block: Block) -> None:
    """tests/spark/test_documented_commands.py runs blocks without a remark. It runs only ndvr."""
    if block.is_not_run:
        return
    if not block.run_by:
        others = [line for line in block.commands if find_ndvr(line) is None]
        assert others == [], "add before the block: <!-- run by tests/... -->, or <!-- not run: why -->"
        return
    tests = "".join((ROOT / test).read_text(encoding="utf-8") for test in block.run_by)
    for line in block.commands:
        words = list_test_words(line)
        assert any(word in tests for word in words), f"{block.run_by} contains none of {words}: {line}"


def list_test_words(line: str) -> set[str]:
    """Return words of which a test that runs the line contains at least one."""
    if (arguments := find_ndvr(line)) is not None:
        module = JOBS[arguments[0]].module
        return {f'"{arguments[0]}"', f"from {module} import app", f"{module.rpartition('.')[2]}.app"}
    if (script := find_script(line)) is not None:
        return {f"{script[0].replace('.', '/')}.py", "spark-submit"}
    return {word for start, word in OTHER_COMMANDS.items() if line.startswith(start)}


@pytest.mark.parametrize(
    "line",
    ["ndvr nightly --manifest m.csv --lake lake --nope", "ndvr nightly --lake lake", "ndvr nightli --lake lake"],
)
def test_an_invalid_command_is_found(line: str) -> None:
    with pytest.raises((typer.TyperException, AssertionError)):
        parse_ndvr(find_ndvr(line) or [])


@pytest.mark.parametrize("name", JOBS)
def test_the_examples_of_help_are_accepted_by_the_parser(name: str) -> None:
    lines = Text.from_markup(load_job(name).epilog or "").plain.splitlines()[1:]
    assert lines
    for line in lines:
        parse_ndvr(find_ndvr(line.removeprefix("$ ")) or [])


def test_commands_and_options_in_text_exist() -> None:
    errors_found = []
    for page in PAGES:
        for code in re.findall(r"`ndvr ([^`\n]+)`", page.read_text(encoding="utf-8")):
            name, *words = code.split()
            if name in {"COMMAND", "..."} or name.startswith("-"):
                continue
            known = {option for param in load_job(name).params for option in param.opts} if name in JOBS else set()
            missing = [word for word in words if word.startswith("--") and word not in known | {"--help"}]
            errors_found += [f"{page.name}: {code}"] if name not in JOBS or missing else []
    assert errors_found == []


@pytest.mark.parametrize("block", read_blocks("yaml"), ids=lambda block: block.name)
def test_every_block_of_settings_is_valid(block: Block, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(block.text, encoding="utf-8")
    load_config(tmp_path / "settings.yaml")


@pytest.mark.parametrize("block", read_blocks("python"), ids=lambda block: block.name)
def test_every_block_of_python_uses_existing_names(block: Block) -> None:
    compile(block.text, block.name, "exec")
    for module, name in re.findall(r"^from ([\w.]+) import (\w+)", block.text, flags=re.MULTILINE):
        assert hasattr(import_module(module), name)
    for name in re.findall(r"\bndvr\.(\w+)", block.text):
        assert hasattr(import_module("ndvr"), name)


def test_the_page_on_sql_lists_every_table_in_the_order_of_the_pipeline() -> None:
    page = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[`(\w+)`\]", page, flags=re.MULTILINE)
    assert listed == [table.name for table in TABLES]


def test_every_error_code_has_a_cause_and_a_remedy() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \| .+ \| .+ \|$", TROUBLES, flags=re.MULTILINE)
    assert documented == [code.value for code in RowErrorCode]


def test_every_exit_code_has_a_cause() -> None:
    documented = set(map(int, re.findall(r"^\| (\d+) \| .+ \|$", TROUBLES, flags=re.MULTILINE)))
    known = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert documented == known | {0, DUPLICATE_EXIT_CODE, CLOSED_OUTPUT} | {128 + number for number in SIGNALS}


def test_the_json_of_every_command_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", page, flags=re.MULTILINE)
    assert documented == [name for name in JOBS if any("--json" in param.opts for param in load_job(name).params)]
    assert set(JOBS) - set(documented) == {"demo", "serve"}, "neither prints an answer on the terminal"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_every_picture_has_title_and_description_and_loads_nothing(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314 - a file of this repository
    title, desc = (root.find(f"{{http://www.w3.org/2000/svg}}{name}") for name in ("title", "desc"))
    assert title is not None
    assert desc is not None
    assert title.text
    assert desc.text
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert "prefers-color-scheme:dark" in text
    assert re.findall(r"(?:https?:)?//", text) == ["http://"], "the namespace is not loaded"
    assert f"pictures/{picture.name}" in "".join(page.read_text(encoding="utf-8") for page in PAGES)


def test_the_list_of_decision_records_is_complete() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", (folder / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    stored = sorted(file for file in folder.glob("0*.md") if not file.name.startswith("0000"))
    titles = [file.read_text(encoding="utf-8").partition("\n")[0] for file in stored]
    assert [f"# {number}. {title}" for number, title, _ in listed] == titles
    assert [name for _, _, name in listed] == [file.name for file in stored]

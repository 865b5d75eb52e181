"""The words that the style of CONTRIBUTING.md rejects do not appear in the documentation, messages and comments.

Run as a script, it prints the number of rejected words per file: python tests/unit/test_style.py [ROOT]
"""

from __future__ import annotations

import io
import json
import re
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BETTER = {
    r"tells?|told": "report, print, return, show",
    r"anew": "again",
    r"lies|lie": "is stored, is",
    r"lest": "so that ... not",
    r"likewise": "repeat what is meant",
    r"whereof": "of which, or a new sentence",
    r"farewells?": "exit handler",
    r"so many": "this many, up to this many",
    r"(?:hold|holds|held|holding)(?: \w+)? against": "compare with",
    r"is let go": "is deleted, is released",
    r"does not know": "unexpected, unknown",
    r"brings?|brought": "add, merge, update",
    r"mend(?:ed|ing|s)?": "fix",
    r"whoever": "name the person or process",
}
WORDS = re.compile("|".join(rf"\b(?P<w{i}>{word})\b" for i, word in enumerate(BETTER)), re.IGNORECASE)
SOURCES = ("ndvr", "jobs", "udfs", "models", "benchmarks", "docs/site")


class Finding(NamedTuple):
    """A rejected word."""

    place: str
    word: str
    better: str

    def __str__(self) -> str:
        return f"{self.place}: {self.word!r}; better: {self.better}"


def find_words(text: str, place: str, first_line: int = 1) -> Iterator[Finding]:
    """The rejected words of a text, with their lines. Code in backquotes is skipped."""
    prose = re.sub(r"`[^`\n]*`", lambda code: " " * len(code.group()), text)
    for found in WORDS.finditer(prose):
        line = first_line + prose.count("\n", 0, found.start())
        index = next(int(name[1:]) for name, word in found.groupdict().items() if word)
        yield Finding(f"{place}:{line}", found.group(), list(BETTER.values())[index])


def name_file(path: Path) -> str:
    """The path of a file in the repository; the whole path of any other file."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def find_in_page(path: Path) -> list[Finding]:
    """The rejected words of a text file outside of code blocks, and outside of the table that shows them."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", lambda block: "\n" * block.group().count("\n"), text, flags=re.DOTALL)
    if path.name == "CONTRIBUTING.md":
        text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    return list(find_words(text, name_file(path)))


def find_in_notebook(path: Path) -> list[Finding]:
    """The rejected words of the text cells. A place is the number of the cell, then the line in it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = {number: "".join(cell["source"]) for number, cell in enumerate(cells) if cell["cell_type"] == "markdown"}
    return [
        finding for number, text in texts.items() for finding in find_words(text, f"{name_file(path)}:cell {number}")
    ]


def find_in_python(path: Path) -> list[Finding]:
    """The rejected words in strings and comments."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    source = path.read_text(encoding="utf-8")
    found: list[Finding] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds:
            found += find_words(token.string, name_file(path), token.start[0])
    return found


def find_in(path: Path) -> list[Finding]:
    """The rejected words of a file, by its kind."""
    kinds = {".py": find_in_python, ".ipynb": find_in_notebook}
    return kinds.get(path.suffix, find_in_page)(path)


def list_pages(root: Path = ROOT) -> list[Path]:
    """README, CONTRIBUTING and changelog; the documentation with its pictures; the notebooks."""
    named = [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")]
    folders = {"docs": ("*.md", "*.svg"), "notebooks": ("*.ipynb",)}
    found = [file for folder, kinds in folders.items() for kind in kinds for file in (root / folder).rglob(kind)]
    return named + sorted(found)


def list_sources(root: Path = ROOT) -> list[Path]:
    """Return the Python modules outside of the tests, and the templates and scripts of the report."""
    modules = [root / "ndvr_start.py", *(file for folder in SOURCES for file in (root / folder).rglob("*.py"))]
    templates = [file for kind in ("*.html", "*.js") for file in (root / "jobs").rglob(kind)]
    return sorted(modules + templates)


@pytest.mark.parametrize("page", list_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_documentation_has_no_rejected_word(page: Path) -> None:
    assert [str(finding) for finding in find_in(page)] == []


@pytest.mark.parametrize("source", list_sources(), ids=lambda source: str(source.relative_to(ROOT)))
def test_messages_docstrings_and_comments_have_no_rejected_word(source: Path) -> None:
    assert [str(finding) for finding in find_in(source)] == []


def test_a_rejected_word_is_found_with_its_line_and_a_better_one() -> None:
    assert list(find_words("One.\nIt is told anew, `told`.", "page")) == [
        Finding("page:2", "told", "report, print, return, show"),
        Finding("page:2", "anew", "again"),
    ]
    assert list(find_words("Retold tellers hold on.", "page")) == []


def test_text_cells_of_notebooks_are_searched(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": ["told"]}, {"cell_type": "markdown", "source": ["# One\n", "anew"]}]
    notebook = tmp_path / "one.ipynb"
    notebook.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert [finding.place for finding in find_in(notebook)] == [f"{notebook}:cell 1:2"]


def test_strings_and_comments_of_python_are_searched_but_no_names(tmp_path: Path) -> None:
    module = tmp_path / "one.py"
    module.write_text("told = 1  # anew\n\nprint('it lies', `told`)\n".replace("`", ""), encoding="utf-8")
    assert [str(finding) for finding in find_in(module)] == [
        f"{module}:1: 'anew'; better: again",
        f"{module}:3: 'lies'; better: is stored, is",
    ]


def print_counts(root: Path) -> None:
    """Print the number of rejected words in each file of a checkout, and in all of them."""
    files = [*list_pages(root), *list_sources(root)]
    counts = {file.relative_to(root): len(find_in(file)) for file in files if file.exists()}
    for file, count in sorted(counts.items(), key=lambda item: -item[1]):
        if count:
            print(f"{count:4d} {file}")  # noqa: T201 - the output of the script
    print(f"{sum(counts.values()):4d} in all")  # noqa: T201 - the output of the script


if __name__ == "__main__":
    print_counts(Path(sys.argv[1]).absolute() if sys.argv[1:] else ROOT)

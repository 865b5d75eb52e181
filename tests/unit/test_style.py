"""The words that the style of CONTRIBUTING.md rejects do not appear in the documentation, messages and comments."""

from __future__ import annotations

import io
import re
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
    r"whereof": "of which, or a new sentence",
    r"farewells?": "exit handler",
    r"so many": "this many, up to this many",
    r"(?:hold|held|holds|holding) against": "compare with",
    r"is let go": "is deleted, is released",
    r"does not know": "unexpected, unknown",
    r"brings?|brought": "add, merge, update",
    r"mend(?:ed|s)?": "fix",
    r"whoever": "name the person or process",
}
WORDS = re.compile("|".join(rf"\b(?P<w{i}>{word})\b" for i, word in enumerate(BETTER)), re.IGNORECASE)
# Python modules that follow the style. Extend the list as packages are rewritten; it never shrinks.
PYTHON = (
    "jobs/backfill.py",
    "jobs/cli.py",
    "jobs/clustering",
    "jobs/commands/demo.py",
    "jobs/commands/export_vectors.py",
    "jobs/commands/quarantine.py",
    "jobs/commands/sql.py",
    "jobs/commands/views.py",
    "jobs/contracts/retries.py",
    "jobs/contracts/run_ids.py",
    "jobs/contracts/stage.py",
    "jobs/demo",
    "jobs/engine/backfill.py",
    "jobs/engine/backfill_run.py",
    "jobs/engine/backlog.py",
    "jobs/engine/budget.py",
    "jobs/engine/claims.py",
    "jobs/engine/lifecycle.py",
    "jobs/engine/night.py",
    "jobs/engine/outcome.py",
    "jobs/engine/run_stage.py",
    "jobs/engine/runner.py",
    "jobs/engine/shards.py",
    "jobs/lake",
    "jobs/maintain.py",
    "jobs/maintenance",
    "jobs/nightly.py",
    "jobs/pairing",
    "jobs/sharing",
    "jobs/tables/claims.py",
    "jobs/tables/cluster_events.py",
    "jobs/tables/clusters.py",
    "jobs/tables/decisions.py",
    "jobs/tables/descriptors.py",
    "jobs/tables/duplicates.py",
    "jobs/tables/embeddings.py",
    "jobs/tables/manifest.py",
    "jobs/tables/pairs.py",
    "jobs/tables/quarantine.py",
    "jobs/tables/runs.py",
    "jobs/upgrade.py",
    "udfs/clustering",
    "udfs/embedding",
    "udfs/exporting",
    "udfs/illustrating",
    "udfs/indexing",
    "udfs/opening/filesystems.py",
    "udfs/searching",
    "udfs/verifying",
)


class Finding(NamedTuple):
    """A rejected word."""

    place: str
    word: str
    better: str


def find_words(text: str, place: str, first_line: int = 1) -> Iterator[Finding]:
    """The rejected words of a text, with their lines. Code in backquotes is skipped."""
    prose = re.sub(r"`[^`\n]*`", lambda code: " " * len(code.group()), text)
    for found in WORDS.finditer(prose):
        line = first_line + prose.count("\n", 0, found.start())
        index = next(int(name[1:]) for name, word in found.groupdict().items() if word)
        yield Finding(f"{place}:{line}", found.group(), list(BETTER.values())[index])


def find_in_markdown(path: Path) -> list[Finding]:
    """The rejected words outside of code blocks, and outside of the table that shows them."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", lambda block: "\n" * block.group().count("\n"), text, flags=re.DOTALL)
    if path.name == "CONTRIBUTING.md":
        text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    return list(find_words(text, str(path.relative_to(ROOT))))


def find_in_python(path: Path) -> list[Finding]:
    """The rejected words in strings and comments."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    source = path.read_text(encoding="utf-8")
    found: list[Finding] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds:
            found += find_words(token.string, str(path.relative_to(ROOT)), token.start[0])
    return found


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def modules(*places: str) -> list[Path]:
    paths = [ROOT / place for place in places]
    return sorted(file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path]))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_documentation_has_no_rejected_word(page: Path) -> None:
    assert find_in_markdown(page) == []


@pytest.mark.parametrize("place", PYTHON)
def test_messages_docstrings_and_comments_have_no_rejected_word(place: str) -> None:
    assert modules(place)
    assert [finding for module in modules(place) for finding in find_in_python(module)] == []


def test_a_rejected_word_is_found_with_its_line_and_a_better_one() -> None:
    assert list(find_words("One.\nIt is told anew, `told`.", "page")) == [
        Finding("page:2", "told", "report, print, return, show"),
        Finding("page:2", "anew", "again"),
    ]
    assert list(find_words("Retold tellers hold on.", "page")) == []


if __name__ == "__main__":
    # How far the rest of the code is from the style: python tests/unit/test_style.py
    counts = {str(m.relative_to(ROOT)): len(find_in_python(m)) for m in modules("jobs", "udfs", "models", "ndvr.py")}
    counts |= {str(page.relative_to(ROOT)): len(find_in_markdown(page)) for page in pages()}
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        if count:
            print(f"{count:4d} {name}")  # noqa: T201 - the output of the script
    print(f"{sum(counts.values()):4d} in all")  # noqa: T201 - the output of the script

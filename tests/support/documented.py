"""Reads the command blocks of README.md and docs/, with the comment before each that names its test or the reason."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"(?:<!-- (?P<remark>[^\n]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
_CONTROL = {">", "<", "|", "&&", ";", "2>"}


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes:
        page: path in the repository.
        line: line number in the page, from 1.
        language: language of the fence.
        text: content of the block.
        remark: HTML comment on the line before the block; empty without one.
    """

    page: str
    line: int
    language: str
    text: str
    remark: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def run_by(self) -> list[str]:
        """The tests that run the block, if the remark names any."""
        return self.remark.removeprefix("run by ").split() if self.remark.startswith("run by ") else []

    @property
    def is_not_run(self) -> bool:
        return self.remark.startswith("not run: ")

    @property
    def commands(self) -> list[str]:
        """The commands of the block, one per logical line."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def read_blocks(language: str) -> list[Block]:
    """Read the blocks of a language from all pages."""
    return [block for page in PAGES for block in _read_page(page) if block.language == language]


def _read_page(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(
            str(page.relative_to(ROOT)), line, found["language"], found["text"], (found["remark"] or "").strip()
        )


def split_command(line: str) -> list[str]:
    """Split the first command of a line as a shell does, without assignments and redirections."""
    words = shlex.split(line, comments=True)
    end = next((at for at, word in enumerate(words) if word in _CONTROL), len(words))
    start = next((at for at, word in enumerate(words) if not re.match(r"\w+=", word)), len(words))
    return words[start:end]


def find_ndvr(line: str) -> list[str] | None:
    """Return the arguments of `ndvr` on a line; None if the line runs another command."""
    words = split_command(line)
    return words[1:] if words and Path(words[0]).name == "ndvr" else None


def find_script(line: str) -> tuple[str, list[str]] | None:
    """Return the module of jobs/ that spark-submit runs on a line, and its arguments; None if it runs none."""
    words = split_command(line)
    if not words or Path(words[0]).name != "spark-submit":
        return None
    at = next(at for at, word in enumerate(words) if word.startswith("jobs/"))
    return words[at].removesuffix(".py").replace("/", "."), words[at + 1 :]

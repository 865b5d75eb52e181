"""What the first page says is what the project does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from jobs.config.loading import load_config
from jobs.config.settings import Config
from jobs.errors import ContractError, QualityError, UsageError
from jobs.pipeline import TABLES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_every_make_target_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"^make ([a-z-]+)$", "\n".join(code_blocks("sh")), flags=re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"demo", "test", "zip"} <= named <= targets


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    assert "exec make test" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_table_of_tables_names_every_table_in_the_order_of_the_pipeline() -> None:
    section = README[README.index("| table | a row is |") :]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)[: len(TABLES)] == [t.name for t in TABLES]


def test_the_exit_codes_of_the_readme_are_those_of_the_errors() -> None:
    documented = set(map(int, re.findall(r"^\| (\d) \|", README, flags=re.MULTILINE)))
    assert documented == {0, 1, UsageError.exit_code, ContractError.exit_code, QualityError.exit_code}


def test_the_settings_of_the_readme_are_valid(tmp_path: Path) -> None:
    (block,) = code_blocks("yaml")
    file = tmp_path / "config.yaml"
    file.write_text(block, encoding="utf-8")
    settings = load_config(file)
    assert settings.manifest.roots == ("/mnt/videos", "s3://bucket/uploads")
    defaults = yaml.safe_load(block) | {"manifest": {}}
    assert Config(**defaults) == Config(), "beside the roots, the README shows the defaults"

"""The statements of the README and of the first docs pages match the project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from jobs.config.loading import load_config
from jobs.config.settings import Config
from jobs.errors import ContractError, QualityError, UsageError

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
MAX_README_BYTES = 9 * 1024


def code_blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_readme_is_short() -> None:
    assert len(README.encode()) <= MAX_README_BYTES


def test_the_links_and_pictures_of_the_readme_exist() -> None:
    targets = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", README)}
    assert {target for target in targets if "://" not in target and not (ROOT / target).exists()} == set()


def test_the_lines_that_write_a_manifest_are_correct(tmp_path: Path) -> None:
    (block,) = (block for block in code_blocks("sh") if "videos/manifest.csv" in block)
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "b c.mp4"):
        (tmp_path / "videos" / name).touch()
    lines = [line for line in block.splitlines() if not line.startswith(".venv/")]
    subprocess.run(["/bin/sh", "-c", "\n".join(lines)], cwd=tmp_path, check=True)
    written = (tmp_path / "videos" / "manifest.csv").read_text(encoding="utf-8")
    assert written == "video_id,uri,published_at\na.mp4,a.mp4,\nb c.mp4,b c.mp4,\n"


def test_every_make_target_in_the_readme_exists() -> None:
    named = set(re.findall(r"^make ([a-z-]+)$", "\n".join(code_blocks("sh")), flags=re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"demo", "setup"} <= named <= targets
    assert "`make test`" in README


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    assert "exec make test" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_documented_exit_codes_are_those_of_the_errors() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    documented = set(map(int, re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)))
    assert documented >= {0, 1, UsageError.exit_code, ContractError.exit_code, QualityError.exit_code}


def test_the_documented_settings_are_valid_and_show_the_defaults(tmp_path: Path) -> None:
    (block,) = code_blocks("yaml", (DOCS / "operating.md").read_text(encoding="utf-8"))
    file = tmp_path / "config.yaml"
    file.write_text(block, encoding="utf-8")
    settings = load_config(file)
    assert settings.manifest.roots == ("/mnt/videos", "s3://bucket/uploads")
    defaults = yaml.safe_load(block) | {"manifest": {}}
    assert Config(**defaults) == Config(), "besides the roots, the page shows the defaults"

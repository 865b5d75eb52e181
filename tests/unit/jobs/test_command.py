from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from jobs import cli, nightly
from jobs.command import run_command
from jobs.errors import ContractError, NdvrError, QualityError, UsageError

ROOT = Path(__file__).parents[3]


def app_that(error: BaseException | None) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command()
    def command(count: int = 1) -> None:
        del count
        if error is not None:
            raise error

    return app


def test_a_command_that_ends_well_gives_0() -> None:
    assert run_command(app_that(None), []) == 0


@pytest.mark.parametrize(
    ("error", "exit_code"), [(NdvrError("x"), 1), (UsageError("x"), 2), (ContractError("x"), 3), (QualityError("x"), 4)]
)
def test_each_kind_of_fault_has_its_exit_code_and_one_line(
    error: NdvrError, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(app_that(error), []) == exit_code
    assert capsys.readouterr() == ("", "ndvr: x\n")


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(app_that(ZeroDivisionError()), [])


@pytest.mark.parametrize("arguments", [["--nope"], ["--count", "many"], ["stray"]])
def test_a_wrong_command_line_gives_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app_that(None), arguments) == 2
    assert "Error" in capsys.readouterr().err


def test_help_gives_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app_that(None), ["--help"]) == 0
    assert "--count" in capsys.readouterr().out


def test_ndvr_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(cli.app, ["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in ("nightly", "sql", "demo"))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--manifest", "m.csv"],
        ["--manifest", "m.csv", "--lake", "l", "--run-date", "yesterday"],
        ["--manifest", "m.csv", "--lake", "l", "--run-date", "2024-02-30"],
    ],
)
def test_nightly_refuses_a_wrong_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(nightly.app, arguments) == 2
    assert "Usage" in capsys.readouterr().err


def test_nightly_refuses_a_wrong_config_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, lake = tmp_path / "config.yaml", tmp_path / "lake"
    config.write_text("pairs: {block_rows: 0}", encoding="utf-8")
    arguments = ["--manifest", "m.csv", "--lake", str(lake), "--config", str(config)]
    assert run_command(nightly.app, arguments) == 2
    assert capsys.readouterr().err.startswith("ndvr: the configuration is not valid:\n  pairs.block_rows: ")
    assert not lake.exists()


def test_the_command_line_starts_without_the_heavy_modules() -> None:
    code = (
        "import sys, jobs.cli, jobs.nightly, jobs.runner, jobs.sql\n"
        "print(sorted({'torch', 'torchvision', 'decord', 'av', 'faiss'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

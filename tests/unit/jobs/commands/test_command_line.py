from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import typer

from jobs import cli, nightly
from jobs.cli import JOBS, load_job
from jobs.commands.command_line import run_command
from jobs.contracts.run_log import log_to
from jobs.errors import ContractError, NdvrError, QualityError, UsageError

ROOT = Path(__file__).parents[4]


def app_that(error: BaseException | None) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command()
    def command(count: int = 1) -> None:
        del count
        if error is not None:
            raise error

    return app


def test_a_successful_command_exits_with_0() -> None:
    assert run_command(app_that(None), []) == 0


@pytest.mark.parametrize(
    ("error", "exit_code"), [(NdvrError("x"), 1), (UsageError("x"), 2), (ContractError("x"), 3), (QualityError("x"), 4)]
)
def test_each_kind_of_error_has_its_exit_code_and_prints_one_line(
    error: NdvrError, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(app_that(error), []) == exit_code
    assert capsys.readouterr() == ("", "ndvr: x\n")


def test_a_name_that_is_too_long_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    name = 256 * "x"
    assert run_command(cli.app, ["nightly", "--manifest", "m.csv", "--lake", "lake", "--config", name]) == 2
    assert capsys.readouterr().err == f"ndvr: a name is too long for the file system: '{name}'\n"


def test_an_unexpected_error_prints_one_line_and_writes_its_traceback_to_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run_command(app_that(ZeroDivisionError("division by zero\nand more")), []) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (file,) = tmp_path.iterdir()
    what = "unexpected error: ZeroDivisionError: division by zero"
    assert printed.err == f"ndvr: {what}; the traceback is in {file}\n"
    assert file.read_text(encoding="utf-8").startswith("Traceback (most recent call last):\n")


def test_the_traceback_of_a_run_is_in_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(add_completion=False)
    file = tmp_path / "run.jsonl"

    @app.command()
    def command() -> None:
        with log_to(file, "run-1"):
            raise ZeroDivisionError

    assert run_command(app, []) == 1
    message = f"ndvr: unexpected error: ZeroDivisionError; the traceback is in {file}\n"
    assert capsys.readouterr() == ("", message)
    (event,) = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert (event["level"], event["message"]) == ("ERROR", "failed")
    assert event["traceback"].endswith("ZeroDivisionError")


@pytest.mark.parametrize("arguments", [["--nope"], ["--count", "many"], ["stray"]])
def test_an_invalid_command_line_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app_that(None), arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"ndvr: .+ \(see .+ --help\)\n", printed.err)


def test_help_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app_that(None), ["--help"]) == 0
    assert "--count" in capsys.readouterr().out


def test_ndvr_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(cli.app, ["--help"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[1] for line in printed.splitlines() if re.match(r"│ [a-z]", line)] == list(JOBS)
    assert all(f"─ {job.panel} ─" in printed for job in JOBS.values())
    assert all(job.summary in printed for job in JOBS.values()), "each fits into a line of 80"


def test_ndvr_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(cli.app, []) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", JOBS)
def test_the_help_of_every_command_has_examples_and_describes_all_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(cli.app, [name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "Exit codes:" in printed
    assert f"$ ndvr {name}" in printed.replace("NDVR_TOKEN=... ", "")
    assert "<bool>" not in printed
    command = load_job(name)
    assert [param.name for param in command.params if not getattr(param, "help", None)] == []


def test_a_misspelt_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(cli.app, ["nighty"]) == 2
    err = capsys.readouterr().err
    assert re.fullmatch(r"ndvr: No such command 'nighty'\. Did you mean 'nightly'\? \(see .+ --help\)\n", err)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(cli.app, ["--version"]) == 0
    assert capsys.readouterr().out == "ndvr 0.1.0\n"


def run_ndvr(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ndvr as a program with piped output, in a clean environment with these variables."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    code = "import sys; from jobs.cli import main; sys.argv[0] = 'ndvr'; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=kept | environment, check=False)


def test_names_of_files_are_utf8_in_every_locale() -> None:
    missing = "missing-\N{LATIN SMALL LETTER E WITH ACUTE}.yaml"
    for environment in ({"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        done = run_ndvr("nightly", "--manifest", "m.csv", "--lake", "lake", "--config", missing, **environment)
        assert f"config file '{missing}' does not exist" in done.stderr


def test_a_submitted_command_refuses_arguments_that_the_jvm_may_have_changed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    monkeypatch.setattr("jobs.lake.files.find_charset_of_names", lambda: "ANSI_X3.4-1968")
    assert run_command(app_that(None), ["--lake", "la??"]) == 2
    assert capsys.readouterr().err == (
        "ndvr: the locale of spark-submit has the character set ANSI_X3.4-1968, which may change the argument 'la??'; "
        "set LC_ALL=C.UTF-8 for spark-submit and for the executors\n"
    )
    assert run_command(app_that(None), ["--count", "2"]) == 0
    monkeypatch.setattr("jobs.lake.files.find_charset_of_names", lambda: "UTF-8")
    assert "No such option" in [run_command(app_that(None), ["--la?"]), capsys.readouterr().err][1]


def test_piped_output_has_no_colours() -> None:
    assert "\x1b" not in run_ndvr("--help").stdout
    assert "\x1b" not in run_ndvr("sql").stderr


def test_no_color_overrides_a_forced_terminal() -> None:
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    assert colour.search(run_ndvr("--help", FORCE_COLOR="1", TERM="xterm").stdout)
    assert not colour.search(run_ndvr("--help", FORCE_COLOR="1", TERM="xterm", NO_COLOR="1").stdout)


def test_the_shell_completes_commands_options_and_values() -> None:
    def complete(line: str) -> str:
        words = line.split(" ")
        asked = {"_NDVR_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        return run_ndvr(**asked).stdout

    assert complete("ndvr train").split() == ["train-triplets", "train-codebook"]
    assert "--publish-anyway" in complete("ndvr nightly --pub")
    assert complete("ndvr export-vectors --to p").split() == ["parquet"]
    script = run_ndvr("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout
    assert "complete -o default -F _ndvr_completion ndvr" in script


def test_help_does_not_import_spark_or_pandas() -> None:
    code = (
        "import sys, jobs.cli; from jobs.commands.command_line import run_command\n"
        "run_command(jobs.cli.app, ['--help'])\n"
        "print(sorted({'pyspark', 'pandas', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--manifest", "m.csv"],
        ["--manifest", "m.csv", "--lake", "l", "--run-date", "yesterday"],
        ["--manifest", "m.csv", "--lake", "l", "--run-date", "2024-02-30"],
    ],
)
def test_nightly_refuses_an_invalid_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(nightly.app, arguments) == 2
    assert re.fullmatch(r"ndvr: .+ \(see .+ --help\)\n", capsys.readouterr().err)


def test_nightly_refuses_an_invalid_config_before_it_writes_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, lake = tmp_path / "config.yaml", tmp_path / "lake"
    config.write_text("pairs: {block_rows: 0}", encoding="utf-8")
    arguments = ["--manifest", "m.csv", "--lake", str(lake), "--config", str(config)]
    assert run_command(nightly.app, arguments) == 2
    assert capsys.readouterr().err.startswith("ndvr: the configuration is not valid:\n  pairs.block_rows: ")
    assert not lake.exists()


def test_the_command_line_does_not_import_the_heavy_modules() -> None:
    code = (
        "import sys, jobs.cli, jobs.nightly, jobs.engine.runner, jobs.commands.sql\n"
        "print(sorted({'torch', 'torchvision', 'decord', 'av', 'faiss'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

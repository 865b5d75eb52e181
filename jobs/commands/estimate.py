"""`ndvr estimate`: records answers about a sample, and computes precision and recall with 95 % intervals."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.errors import UsageError
from jobs.lake.location import absolute

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr estimate --lake /data/lake --answers /data/sample/pairs.csv --by ann",
        "ndvr estimate --lake /data/lake --precision 0.995",
    ),
)
def estimate(
    lake: options.LakeOption,
    *,
    answers: Annotated[
        Path | None, typer.Option(help="File of answers: CSV or JSON lines with sample_id, left_id, right_id, verdict.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Name of the person who answered.")] = None,
    sample: Annotated[
        str | None, typer.Option(help="sample_id.", show_default="the newest sample with an answer")
    ] = None,
    precision: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Wanted precision of pairs: which threshold reaches it.")
    ] = 0.99,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compute from people's answers how precise the tables are, and what they miss, with 95 % intervals.

    The verdicts are duplicate, part (the two share footage, and neither is a copy of the other) and not_duplicate. A
    pair is right if it is a duplicate or a part. A row of duplicates with relation copy is right if it is a duplicate.
    The estimate is stored in the table `estimates`. The summary of each run and the report show it.

    Exit codes: 0 success; 2 invalid usage, or no answers.
    """
    from jobs.commands.open_lake import open_lake
    from jobs.estimation.answer_files import read_answers
    from jobs.estimation.findings import Findings
    from jobs.estimation.recording import read_answered, record_answers, write_estimate

    if answers is not None and not (by and by.strip()):
        raise UsageError("pass the name of the person who answered: --by NAME")
    given = None if answers is None else read_answers(answers)
    if given == []:
        raise UsageError(
            f"{str(answers)!r} has no answer: every pair is skipped; fill in verdict (duplicate, part or not_duplicate)"
        )
    opened = open_lake(absolute(lake))
    num_written = None if given is None else record_answers(opened, given, by or "")
    answered = read_answered(opened, sample)
    found = Findings.of(answered, precision)
    write_estimate(opened, found.estimate, answered.iloc[0]["model_id"], answered.iloc[0]["run_id"])
    if as_json:
        shown = {"num_written": num_written, **found.to_json()}
        sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n")
        return
    if num_written is not None:
        sys.stdout.write(f"{num_written} answers written\n")
    sys.stdout.write("\n".join(found.to_lines(lake)) + "\n")


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())

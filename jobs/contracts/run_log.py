"""The log of a run or of a service: one JSON object per line, in a run with the run_id."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.contracts.times import format_utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_logger = logging.getLogger("ndvr")
_logger.addHandler(logging.NullHandler())
_logger.propagate = False


class _JsonLines(logging.Formatter):
    """Formats a record as one JSON object: at, level, run_id if there is one, message, then the fields of the event."""

    def __init__(self, run_id: str | None) -> None:
        super().__init__()
        self._run = {} if run_id is None else {"run_id": run_id}

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON line of a record."""
        line = {
            "at": format_utc(datetime.fromtimestamp(record.created, UTC), "milliseconds"),
            "level": record.levelname,
            **self._run,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class _Log:
    """Writes events with fields: `log.info("stage done", stage="pairs", seconds=1.5)`."""

    def info(self, message: str, **fields: object) -> None:
        """Log an event."""
        _logger.info(message, extra={"fields": fields})

    def warning(self, message: str, **fields: object) -> None:
        """Log a problem that does not stop the run."""
        _logger.warning(message, extra={"fields": fields})

    def error(self, message: str, *, exc_info: BaseException | None = None, **fields: object) -> None:
        """Log a failure, with its traceback if given."""
        _logger.error(message, exc_info=exc_info, extra={"fields": fields})


log = _Log()
_NOTE = "the log of this run: "


@contextmanager
def log_to(file: Path, run_id: str) -> Iterator[None]:
    """Write the log to a file while the block runs. Runs on: driver.

    An exception that ends the block is logged with its traceback. `find_log` returns the file from a note on it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(_JsonLines(run_id))
    _logger.setLevel(logging.INFO)
    _logger.addHandler(handler)
    try:
        yield
    except BaseException as error:
        log.error("failed", exc_info=error)  # noqa: TRY400 - `log` is not a logger of the logging module
        error.add_note(f"{_NOTE}{file}")
        raise
    finally:
        _logger.removeHandler(handler)
        handler.close()


def log_to_stderr(*others: str) -> None:
    """Write the log of a service to standard error until the process ends.

    Args:
        others: loggers of libraries to write too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines(None))
    for logger in (_logger, *map(logging.getLogger, others)):
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False


def find_log(error: BaseException) -> str | None:
    """Return the log file with the traceback of an error; None if it was raised outside of `log_to`."""
    notes = (note for note in getattr(error, "__notes__", ()) if note.startswith(_NOTE))
    return next((note.removeprefix(_NOTE) for note in notes), None)

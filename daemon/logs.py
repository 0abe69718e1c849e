"""Log set-up: job ids, codes and numbers go in; file names and cell values never do.

Call `configure` once per process; everywhere else `from loguru import logger`. House rules:
* A message is a constant, past-tense sentence. What varies is bound: `logger.bind(job="j42",
  rows_read=100).info("attempt succeeded")`. A file's name may name a patient: say the job instead.
* Never format an exception into a message. pandas and pyarrow quote the cell they stumbled over,
  OSError the file. `logger.exception` is safe here, and `describe_failure` is what it prints.
* No logging inside a signal handler (loguru's locks are not re-entrant), no `enqueue=True` (a
  killed worker can then hang the daemon for ever).
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from loguru import logger

from daemon.db.records import LogLine
from daemon.errors import SettingsError
from daemon.log_table import LogTable
from daemon.settings import Logs
from pipeline.errors import PipelineError, chain_of, trace_of

if TYPE_CHECKING:
    from loguru import Message, Record

_JOURNAL_PRIORITY = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "DEBUG": 7, "TRACE": 7}
_COLOUR = {"CRITICAL": "1;31", "ERROR": "31", "WARNING": "33", "DEBUG": "2", "TRACE": "2"}
_LIBRARIES = ("apscheduler", "watchdog", "alembic", "sqlalchemy")
_AS_THEY_ARE = (int, str, bool, type(None))
_FRAMES_SHOWN = 8
_MAX_CHARS = 4_000  # of one message or field: a log line is not a place to keep things

Write = Callable[[list[LogLine]], None]


class LogHandle:
    """What `configure` hands back; closing it empties the buffer into the database."""

    def __init__(self, table: LogTable | None, sink: _StreamSink) -> None:
        self._table, self._sink = table, sink

    @property
    def dropped(self) -> int:
        """Lines that did not reach the database because it could not keep up."""
        return self._table.dropped if self._table is not None else 0

    def close(self) -> None:
        """Write what is buffered, then send nothing more there. The other sinks stay."""
        self._sink.table = None
        if self._table is not None:
            self._table.close()


def configure(
    settings: Logs, *, write: Write | None = None, stream: TextIO | None = None
) -> LogHandle:
    """Replace every sink: standard error (or `stream`), the log file, the `log` table (`write`).

    Raises:
        SettingsError: the log file cannot be opened, or rotation or retention not understood.
    """
    as_json = settings.format == "json"
    logger.remove()
    logger.configure(extra={}, patcher=lambda record: _prepare(record, as_json=as_json))
    # `diagnose` would print the value of every variable, and here those are patient data
    plain: dict[str, Any] = {"level": settings.level, "diagnose": False, "backtrace": False}
    table = LogTable(write) if write is not None else None
    sink = _StreamSink(stream, table, as_json=as_json)
    logger.add(sink, format="{message}", colorize=False, **plain)
    if settings.file is not None:
        _add_file(settings, settings.file, plain)
    _route_standard_logging()
    return LogHandle(table, sink)


def _add_file(settings: Logs, file: Path, plain: dict[str, Any]) -> None:
    form: dict[str, Any] = {"format": "{line}", "encoding": "utf-8", "colorize": False}
    keep: dict[str, Any] = {"rotation": settings.rotation, "retention": settings.retention}
    try:
        logger.add(file, **form, **keep, **plain)
    except OSError as error:
        problem = f"logs.file: {file} cannot be opened: {error.strerror}"
        raise SettingsError("the configuration", [problem]) from None
    except ValueError as error:  # loguru's words about our own settings: no data in them
        raise SettingsError(
            "the configuration", [f"logs.rotation or logs.retention: {error}"]
        ) from None


def repeat(line: Mapping[str, Any]) -> None:
    """Say again here what a worker said: {"level", "message", "fields", "job"}."""
    fields = {str(key): value for key, value in line["fields"].items()}
    level = line["level"] if line["level"] in {*_JOURNAL_PRIORITY, "INFO", "SUCCESS"} else "INFO"
    logger.bind(**{**fields, "job": line.get("job")}).log(level, line["message"])


def describe_failure(error: BaseException) -> str:
    """An error in one line without its words: types, codes, and where, innermost place first."""
    kinds = " from ".join(_kind_of(link) for link in chain_of(error))
    places = [line for line in trace_of(error) if not line.startswith("from ")]
    shown = " < ".join(reversed(places[-_FRAMES_SHOWN:]))
    return f"{kinds} at {shown}" if shown else kinds


def guard_tracebacks() -> None:
    """Keep messages of uncaught errors and warnings off standard error; log them without words."""

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            logger.bind(error=describe_failure(error)).critical("program ended by a mistake")

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log = logger.bind(error=describe_failure(args.exc_value))
            log.critical("thread ended by a mistake")

    def in_cleanup(args: Any) -> None:
        if args.exc_value is not None:
            logger.bind(error=describe_failure(args.exc_value)).error("error while clearing up")

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, in_cleanup
    logging.captureWarnings(True)
    logging.raiseExceptions = False


def _kind_of(error: BaseException) -> str:
    name = type(error).__qualname__
    if isinstance(error, PipelineError):
        return f"{name} [{error.code}]"
    number = error.errno if isinstance(error, OSError) else None
    return f"{name} {errno.errorcode[number]}" if number and number in errno.errorcode else name


def _prepare(record: Record, *, as_json: bool) -> None:
    """Runs once per record, before any sink sees it: no sink ever holds an exception."""
    caught = record["exception"]
    if caught is not None:
        record["exception"] = None
        if caught.value is not None:
            record["extra"].setdefault("error", describe_failure(caught.value))
    dynamic: dict[str, Any] = record  # type: ignore[assignment]  # loguru lets a patcher add keys
    dynamic["line"] = _json_line(record) if as_json else _console_line(record)


def _fields(record: Record) -> dict[str, Any]:
    fields = record["extra"].copy()
    fields.pop("job", None)
    return fields


def _job(record: Record) -> str:
    return str(record["extra"].get("job") or "-")


def _time(record: Record) -> str:
    at_s = record["time"].timestamp()
    return f"{_second(int(at_s))}.{record['time'].microsecond // 1000:03d}Z"


@lru_cache(4)
def _second(at_s: int) -> str:
    """UTC, ISO 8601; thousands of lines are of the same second."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _console_line(record: Record) -> str:
    return f"{_time(record)} {record['level'].name: <7} {_remark(record)}"


def _remark(record: Record) -> str:
    pairs = [f"{key}={_value(value)}" for key, value in _fields(record).items()]
    return " ".join([_job(record), printable(record["message"]), *pairs])


def _value(value: Any) -> str:
    if type(value) is int:
        return str(value)
    text = printable(" < ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    return f'"{text}"' if not text or " " in text or '"' in text else text


def printable(text: str) -> str:
    """One line that acts on no terminal: control characters and lone surrogates are escaped."""
    shortened = text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + " ..."
    if shortened.isprintable():
        return shortened
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shortened
    )


def _json_line(record: Record) -> str:
    document = {
        "time": _time(record),
        "level": record["level"].name,
        "job": record["extra"].get("job"),
        "message": record["message"],
        "fields": _fields(record),
    }
    return json.dumps(document, default=str)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as JSON gives them back; most are numbers and codes, which stay as they are."""
    if all(type(value) in _AS_THEY_ARE for value in fields.values()):
        return fields
    return dict(json.loads(json.dumps(fields, default=str)))


def _as_line(record: Record) -> LogLine:
    job = _job(record)
    return LogLine(
        at_s=record["time"].timestamp(),
        level=record["level"].name,
        job_id=int(job[1:]) if job[1:].isdecimal() and job[0] == "j" else None,
        message=printable(record["message"]),
        fields=_plain(_fields(record)),
    )


class _StreamSink:
    """Writes rendered lines to a stream: for people, or for the journal when that is behind it.

    And to the table of the database, if there is one: two sinks of loguru would cost twice as much.
    A stream that is gone (a closed terminal, a full disk) costs log lines, never the daemon.
    """

    def __init__(
        self, stream: TextIO | None, table: LogTable | None = None, *, as_json: bool
    ) -> None:
        self._stream = stream
        self.table = table
        self._as_json = as_json
        self._for_journal = _is_journal(stream or sys.stderr)
        self._in_colour = not as_json and _is_terminal(stream or sys.stderr)

    def __call__(self, message: Message) -> None:
        table = self.table
        if table is not None:
            table.put(_as_line(message.record))
        stream = self._stream or sys.stderr
        try:
            stream.write(self._rendered(message.record) + "\n")
            stream.flush()
        except (OSError, ValueError):
            return

    def _rendered(self, record: Record) -> str:
        level = record["level"].name
        line = str(record["line"])  # set by `_prepare`
        if self._for_journal:  # journald adds the time, and takes the level from the prefix
            return (
                f"<{_JOURNAL_PRIORITY.get(level, 6)}>{line if self._as_json else _remark(record)}"
            )
        if self._in_colour and level in _COLOUR:
            return f"\x1b[{_COLOUR[level]}m{line}\x1b[0m"
        return line


def _is_journal(stream: TextIO) -> bool:
    """True when systemd's journal reads this very stream; JOURNAL_STREAM alone is inherited."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    except (ValueError, AttributeError):
        return False


class _Bridge(logging.Handler):
    """Brings what libraries log the standard way into loguru, from WARNING on, without its words.

    The message stays a template: of its arguments only numbers are filled in.
    """

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"library": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields["error"] = describe_failure(error)
        level = record.levelname if record.levelname in _JOURNAL_PRIORITY else "INFO"
        logger.bind(**fields).log(level, _without_words(record.msg, record.args))


def _without_words(template: Any, args: Any) -> str:
    if not isinstance(template, str):
        return type(template).__name__
    if not isinstance(args, tuple) or not args:
        return template
    try:
        return template % tuple(a if isinstance(a, int | float) else "…" for a in args)
    except (TypeError, ValueError):
        return template


def _route_standard_logging() -> None:
    root = logging.getLogger()
    for handler in tuple(root.handlers):
        if isinstance(handler, _Bridge):
            root.removeHandler(handler)
    root.addHandler(_Bridge(logging.WARNING))
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)

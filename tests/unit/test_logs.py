from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from loguru import logger

from daemon import logs
from daemon.db.records import LogLine
from daemon.errors import SettingsError
from daemon.log_table import LogTable
from daemon.settings import Logs
from pipeline.errors import ContentError, FileCode

VALUE = "Ada Lovelace 1815-12-10"
NAME = "ward7_grace_hopper.csv"


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(False)
    logging.raiseExceptions = True
    logger.remove()
    logger.configure(patcher=lambda _: None)


class Table:
    """Stands where the database does: keeps what it is given, fails when told to."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.sizes: list[int] = []
        self.is_down = False
        self.gate = threading.Event()
        self.gate.set()

    def write(self, lines: list[LogLine]) -> None:
        self.gate.wait()
        if self.is_down:
            raise OSError("the state database cannot be written")
        self.lines.extend(lines)
        self.sizes.append(len(lines))


def configured(**settings: Any) -> io.StringIO:
    out = io.StringIO()
    logs.configure(Logs(**settings), stream=out)
    return out


def until(claim: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def line(number: int) -> LogLine:
    return LogLine(at_s=0.0, level="INFO", message="m", fields={"number": number})


# --- what a line looks like -------------------------------------------------------------------


def test_a_line_names_its_job_and_shows_fields_after_the_sentence() -> None:
    out = configured()

    logger.bind(job="j42", rows_read=100, note="two words").info("attempt succeeded")

    assert out.getvalue().endswith(
        'Z INFO    j42 attempt succeeded rows_read=100 note="two words"\n'
    )


def test_a_line_without_a_job_says_so() -> None:
    out = configured()

    logger.info("daemon started")

    assert " - daemon started\n" in out.getvalue()


def test_json_lines_keep_types_and_can_be_read_back() -> None:
    out = configured(format="json")

    logger.bind(job="j42", rows_read=100, path=Path("x")).warning('braces {} and "quotes" <red>')

    document = json.loads(out.getvalue())
    assert document["job"] == "j42"
    assert document["level"] == "WARNING"
    assert document["message"] == 'braces {} and "quotes" <red>'
    assert document["fields"] == {"rows_read": 100, "path": "x"}
    assert document["time"].endswith("Z")


def test_nothing_in_a_line_can_start_another_or_steer_a_terminal() -> None:
    out = configured()

    logger.bind(field="a\x1b[31m").info("one\nERROR forged \udce9")

    text = out.getvalue()
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "one\\nERROR forged" in text


def test_a_level_below_the_one_set_is_not_written() -> None:
    out = configured(level="WARNING")

    logger.info("quiet")
    logger.warning("loud")

    assert "quiet" not in out.getvalue()
    assert "loud" in out.getvalue()


def test_colour_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal, plain = Terminal(), io.StringIO()
    for stream in (terminal, plain):
        logs.configure(Logs(), stream=stream)
        logger.error("it failed")

    assert terminal.getvalue().startswith("\x1b[31m")
    assert "\x1b" not in plain.getvalue()


@pytest.mark.parametrize(("level", "priority"), [("INFO", 6), ("WARNING", 4), ("ERROR", 3)])
def test_the_journal_gets_a_priority_and_no_time_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str, priority: int
) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as journal:
        seen = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{seen.st_dev}:{seen.st_ino}")
        logs.configure(Logs(), stream=journal)
        logger.bind(job="j1", rows=2).log(level, "attempt ended")
        journal.seek(0)

        assert journal.read() == f"<{priority}>j1 attempt ended rows=2\n"


def test_a_stream_that_is_not_the_journal_gets_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")  # inherited from whoever started us
    out = configured()

    logger.info("x")

    assert not out.getvalue().startswith("<")


def test_a_stream_that_is_gone_costs_lines_and_never_the_daemon() -> None:
    out = configured()
    out.close()

    logger.info("into the void")


def test_the_log_file_is_rotated_and_old_ones_are_deleted(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "harmonizer.log"
    old = file.with_name("harmonizer.2020-01-01_00-00-00_000000.log")
    file.parent.mkdir()
    old.write_text("long ago", encoding="utf-8")
    os.utime(old, (0, 0))
    configured(file=file, rotation="2 KB", retention="30 days")

    for number in range(200):
        logger.bind(number=number).info("a line of some length, to fill the file")

    kept = list(file.parent.iterdir())
    assert len(kept) > 2
    assert old not in kept
    assert "number=199" in file.read_text("utf-8")
    assert all(one.stat().st_size < 4_000 for one in kept)


@pytest.mark.parametrize(
    "settings",
    [{"rotation": "often"}, {"retention": "a while"}, {"file": Path("/proc/no/such/folder.log")}],
)
def test_log_settings_that_cannot_work_are_refused_by_name(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match="logs"):
        configured(**{"file": tmp_path / "a.log", **settings})


# --- libraries --------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["apscheduler.executors", "watchdog", "alembic", "sqlalchemy"])
def test_libraries_are_heard_from_warning_on_and_without_their_words(library: str) -> None:
    out = configured()
    log = logging.getLogger(library)

    log.info("chatter")
    log.warning('Run time of "%s" missed by %d s', VALUE, 7)

    assert "chatter" not in out.getvalue()
    assert 'Run time of "…" missed by 7 s' in out.getvalue()
    assert f"library={library}" in out.getvalue()
    assert VALUE not in out.getvalue()


def test_a_library_s_traceback_is_told_by_its_place() -> None:
    out = configured()

    try:
        _fail()
    except ValueError:
        logging.getLogger("apscheduler").exception("job %r raised", VALUE)

    assert "ValueError at " in out.getvalue()
    assert "test_logs.py:" in out.getvalue()
    assert VALUE not in out.getvalue()


def test_configuring_twice_does_not_double_the_lines() -> None:
    configured()
    out = configured()

    logging.getLogger("watchdog").warning("once")
    logger.info("also once")

    assert out.getvalue().count("once") == 2


# --- no values, no names ----------------------------------------------------------------------


def _fail() -> None:
    raise ValueError(VALUE)


def _cast() -> None:
    pa.array([VALUE]).cast(pa.int64())


def _to_number() -> None:
    pd.to_numeric(pd.Series([VALUE]))


def _to_date() -> None:
    pd.to_datetime(pd.Series([f"{VALUE} {NAME}"]), format="%Y-%m-%d")


def _open() -> None:
    (Path("/nowhere") / NAME).read_text()


def _parse() -> None:
    pa.csv.read_csv(io.BytesIO(f"a,b\n1,2\n{VALUE},{NAME},3\n".encode()))


def _look_up() -> None:
    codes: dict[str, str] = {}
    codes[VALUE]


def _chain() -> None:
    try:
        _cast()
    except pa.ArrowInvalid as error:
        raise RuntimeError(f"while reading {NAME}: {error}") from error


@pytest.mark.parametrize("act", [_cast, _to_number, _to_date, _open, _parse, _look_up, _chain])
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_value_or_a_name_in_an_error_reaches_no_sink(
    tmp_path: Path, act: Callable[[], None], form: Any
) -> None:
    import pyarrow.csv  # noqa: F401 - `_parse` uses it through `pa`

    out, table, file = io.StringIO(), Table(), tmp_path / "file.log"
    handle = logs.configure(
        Logs(format=form, file=file),
        write=table.write,
        stream=out,
    )
    patient, name = VALUE, NAME  # locals, which `diagnose` would print
    try:
        act()
    except Exception as error:
        logger.bind(job="j42").exception("attempt crashed")
        logger.bind(job="j42").opt(exception=error).error("attempt crashed")
        logger.bind(error=logs.describe_failure(error)).error("attempt crashed")
        logging.getLogger("sqlalchemy").error("failed on %s", name, exc_info=True)
    handle.close()
    logger.remove()

    everything = out.getvalue() + file.read_text("utf-8") + str(table.lines)
    assert everything.count("attempt crashed") == 9
    assert "test_logs.py" in everything
    for secret in (patient, name, "Lovelace", "hopper"):
        assert secret not in everything


def test_uncaught_errors_anywhere_are_logged_without_their_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = configured()
    logs.guard_tracebacks()

    class Grave:
        def __del__(self) -> None:
            raise ValueError(VALUE)

    def in_thread() -> None:
        raise ValueError(VALUE)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    Grave()
    try:
        _cast()
    except pa.ArrowInvalid as error:
        sys.excepthook(type(error), error, error.__traceback__)

    assert out.getvalue().count("ValueError at ") == 2
    assert "program ended by a mistake" in out.getvalue()
    assert VALUE not in out.getvalue() + capsys.readouterr().err


def test_a_failure_is_described_by_type_code_and_place() -> None:
    with pytest.raises(OSError) as caught:
        _open()
    refusal = ContentError(FileCode.STORAGE, "a note")
    refusal.__cause__ = caught.value
    told = logs.describe_failure(refusal)

    assert told.startswith("ContentError [STORAGE] from FileNotFoundError ENOENT at ")
    assert NAME not in told


# --- workers' lines ---------------------------------------------------------------------------


def test_what_a_worker_said_is_repeated_with_its_job_and_fields() -> None:
    out = configured()

    logs.repeat({"level": "WARNING", "message": "{odd} words", "fields": {"rows": 3}, "job": "j7"})
    logs.repeat({"level": "ODD", "message": "m", "fields": {"job": "j9"}, "job": None})

    first, second = out.getvalue().splitlines()
    assert first.endswith("WARNING j7 {odd} words rows=3")
    assert second.endswith("INFO    - m")


# --- the database -----------------------------------------------------------------------------


def test_lines_reach_the_table_with_job_number_fields_and_time() -> None:
    table = Table()
    handle = logs.configure(Logs(), write=table.write, stream=io.StringIO())

    logger.bind(job="j42", rows_read=100, path=Path("p")).info("attempt succeeded")
    logger.info("no job here")
    handle.close()

    first, second = table.lines
    assert (first.job_id, first.level, first.message) == (42, "INFO", "attempt succeeded")
    assert first.fields == {"rows_read": 100, "path": "p"}
    assert abs(first.at_s - time.time()) < 60
    assert second.job_id is None


def test_a_closed_handle_leaves_the_other_sinks_alone() -> None:
    out, table = io.StringIO(), Table()
    handle = logs.configure(Logs(), write=table.write, stream=out)
    handle.close()
    handle.close()

    logger.info("afterwards")

    assert "afterwards" in out.getvalue()
    assert table.lines == []


def test_lines_are_written_in_batches_and_in_order() -> None:
    table = Table()
    table.gate.clear()
    sink = LogTable(table.write, batch=50)

    for number in range(500):
        sink.put(line(number))
    table.gate.set()
    sink.close()

    assert [one.fields["number"] for one in table.lines] == list(range(500))
    assert max(table.sizes) <= 50


def test_a_lonely_line_is_written_soon() -> None:
    table = Table()
    sink = LogTable(table.write, flush_s=0.01)

    sink.put(line(1))

    until(lambda: len(table.lines) == 1)
    sink.close()


def test_under_pressure_new_lines_are_dropped_counted_and_owned_up_to() -> None:
    table = Table()
    table.gate.clear()  # the database hangs
    sink = LogTable(table.write, flush_s=0.01, batch=10, capacity=100)

    for number in range(1_000):
        sink.put(line(number))  # and nobody waits for it
    assert sink.dropped >= 800
    dropped = sink.dropped
    table.gate.set()
    sink.close()

    notes = [one for one in table.lines if one.message == "log lines dropped"]
    assert sum(note.fields["count"] for note in notes) == dropped
    assert len(table.lines) - len(notes) + dropped == 1_000


def test_a_database_that_fails_for_a_while_loses_no_line() -> None:
    table = Table()
    table.is_down = True
    sink = LogTable(table.write, flush_s=0.01, batch=10)
    for number in range(100):
        sink.put(line(number))
    time.sleep(0.1)

    table.is_down = False
    until(lambda: len(table.lines) == 100)
    sink.close()

    assert [one.fields["number"] for one in table.lines] == list(range(100))
    assert sink.dropped == 0


def test_a_line_no_database_ever_takes_does_not_block_those_behind_it() -> None:
    written: list[LogLine] = []

    def write(lines: list[LogLine]) -> None:
        if any(one.fields.get("number") == 0 for one in lines):
            raise ValueError("cannot be stored")
        written.extend(lines)

    sink = LogTable(write, flush_s=0.001, batch=1)
    sink.put(line(0))
    sink.put(line(1))

    until(lambda: any(one.fields.get("number") == 1 for one in written))
    sink.close()
    assert sink.dropped == 1


def test_closing_with_the_database_down_comes_to_an_end() -> None:
    table = Table()
    table.is_down = True
    sink = LogTable(table.write)
    sink.put(line(1))

    sink.close()

    assert table.lines == []

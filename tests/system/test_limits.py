"""Contents made to exhaust a program: each is refused by name, within its limits, and alone."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.executors.pool import WorkerPool
from pipeline.contract.loading import BUILT_IN
from pipeline.errors import ContentError
from pipeline.messages import HarmonizeTask
from tests.support import World, table
from tests.system.harness import Service, patients, service

pytestmark = pytest.mark.slow

HEAD = b"patient_id,last_name,first_name,date_of_birth,gender\n"
ROW = b"PT-1,Fam,Giv,1960-05-17,F\n"
MEMORY_MB = 768  # far less than the larger ones would take as Python text
LIMIT_S = 120.0


def utf_16_without_mark() -> bytes:
    return (HEAD + ROW * 20).decode().encode("utf-16-le")


MADE: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "100,000 columns": (
        lambda: b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b"1," * 99_999 + b"1\n",
        "LIMIT_EXCEEDED",
    ),
    "100,000 quoted columns": (
        lambda: b",".join(b'"c%d"' % n for n in range(100_000)) + b"\n",
        "LIMIT_EXCEEDED",
    ),
    "one line of 200 MB": (lambda: b"x" * 200_000_000, "LIMIT_EXCEEDED"),
    "one line of 200 MB full of commas": (lambda: b"x," * 100_000_000, "LIMIT_EXCEEDED"),
    "a second line of 200 MB": (lambda: HEAD + b"y" * 200_000_000, "LIMIT_EXCEEDED"),
    "a quoted cell of 200 MB": (
        lambda: HEAD + ROW + b'"' + b"y\n" * 100_000_000,
        "LIMIT_EXCEEDED",
    ),
    "a cell of 15 MB": (
        lambda: HEAD + b"PT-3," + b"z" * 15_000_000 + b",G,1960-05-17,F\n" + ROW * 5,
        "LIMIT_EXCEEDED",
    ),
    "a row of a million cells": (lambda: HEAD + ROW * 3 + b"x," * 999_999 + b"x\n" + ROW, None),
    "every quote left open": (lambda: HEAD + b'PT-2,"Fam,Giv,1960-05-17,F\n' * 20_001, "TRUNCATED"),
    "one quote left open at the start": (lambda: HEAD + b'"PT-2,Fam,G,1,F\n' + ROW * 50_000, None),
    "nothing but quotes": (lambda: b'"' * 5_000_000, "EMPTY"),
    "nothing but line ends": (lambda: b"\r" * 5_000_000, "EMPTY"),
    "a million empty lines": (lambda: HEAD + b"\n" * 1_000_000 + ROW, None),
    "NUL bytes in a cell": (lambda: HEAD + b"PT-2,Fa\0\0\0m,Giv,1960-05-17,F\n" + ROW * 9, None),
    "UTF-16 with its mark": (lambda: (HEAD + ROW * 20).decode().encode("utf-16"), None),
    "UTF-16 without": (utf_16_without_mark, None),
    "noise": (lambda: os.urandom(5_000_000), "UNSUPPORTED"),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(1, memory_limit_mb=MEMORY_MB)
    yield made
    made.stop()


@pytest.mark.parametrize(("make", "code"), MADE.values(), ids=MADE)
def test_a_file_costs_no_more_than_its_limits(
    pool: WorkerPool, tmp_path: Path, make: Callable[[], bytes], code: str | None
) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    source = tmp_path / "in.csv"
    source.write_bytes(make())
    task = HarmonizeTask(
        source=str(source),
        staging_dir=str(staging),
        contracts_dir=str(BUILT_IN),
        job="j1",
        now_s=1.8e9,
    )
    future = pool.submit(task, LIMIT_S)
    try:
        error = future.exception()
    finally:
        source.unlink()
    if code is None:
        assert error is None, str(error)
        assert future.result().counts.adds_up
    else:
        assert isinstance(error, ContentError), repr(error)
        assert error.code == code


# -- where limits are set too high, the worker alone pays -----------------------------------------


def until_busy(daemon: Service, job: str, but: int = 0) -> int:
    """Wait until a worker, but not that one, has the job in hand; its process id."""
    found: list[int] = []

    def is_busy() -> bool:
        busy = daemon.page().get("workers", {}).get("busy", [])
        found[:] = [one["pid"] for one in busy if one["job"] == job and one["pid"] != but]
        return bool(found)

    daemon.until(is_busy, f"{job} is begun")
    return found[0]


def test_a_worker_that_needs_too_much_memory_ends_alone(tmp_path: Path) -> None:
    limits = {
        "HARMONIZER_WORKERS__MEMORY_LIMIT_MB": "400",
        "HARMONIZER_WORKERS__MAX_ATTEMPTS": "2",
        "HARMONIZER_LIMITS__MAX_CELL_BYTES": "900000000",
        "HARMONIZER_LIMITS__MAX_RECORD_BYTES": "900000000",
    }
    with service(tmp_path / "root", **limits) as daemon:
        hog = HEAD + b"PT-3," + b"z" * 150_000_000 + b",G,1960-05-17,F\n" + ROW * 5
        (daemon.inbox / "hog.csv").write_bytes(hog)
        for number in range(10):
            (daemon.inbox / f"good-{number}.csv").write_text(patients(3, first=number * 10))
        daemon.until_finished(11)
        found = {job["source"]: job for job in daemon.jobs()}
        assert found.pop("hog.csv")["code"] == "POISON_MEMORY"
        assert {job["state"] for job in found.values()} == {"delivered"}


def test_a_worker_that_hangs_is_ended_at_its_limit_and_others_go_on(tmp_path: Path) -> None:
    limits = {
        "HARMONIZER_WORKERS__DEADLINE_S": "8",
        "HARMONIZER_WORKERS__MAX_ATTEMPTS": "2",
    }
    with service(tmp_path / "root", **limits) as daemon:
        (daemon.inbox / "slow.csv").write_text(patients(700_000))  # seconds of work
        hung = 0
        for attempt in (1, 2):
            hung = until_busy(daemon, "j1", but=hung)
            os.kill(hung, signal.SIGSTOP)
            (daemon.inbox / f"good-{attempt}.csv").write_text(patients(3, first=attempt * 10))
            daemon.until_finished(attempt)
        daemon.until_finished(3)
        found = {job["source"]: job for job in daemon.jobs()}
        assert found["slow.csv"]["code"] == "POISON_TIMEOUT"
        assert found["slow.csv"]["attempts_made"] == 2


# -- formulas -------------------------------------------------------------------------------------


FORMULAS = ("=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1", "''", "=", "\uff1d1")


def test_formulas_are_harmless_in_rejects_and_come_back_exactly(tmp_path: Path) -> None:
    """Only what was corrected is changed, whatever stood in the cells beside it."""
    world = World(tmp_path)
    rows = [
        ",".join(
            '"' + cell.replace('"', '""') + '"'
            for cell in (f"PT-X{n}", text, "A", "1960-02-30", "F")
        )
        for n, text in enumerate(FORMULAS)
    ]
    good = patients(60)
    world.drop("a.csv", good + "\n".join(rows) + "\n")
    world.run_until_idle()
    [rejects] = (world.root / "outbox").glob("*/*/rejects.csv")
    for row in csv.reader(rejects.read_text(encoding="utf-8").splitlines()):
        assert not any(cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t")) for cell in row)
    header, *lines = table(rejects)
    corrected = tmp_path / "corrected.csv"
    with corrected.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(header))
        writer.writeheader()
        for line in (header, *lines):
            writer.writerow({**line, "date_of_birth": "1970-01-31"})
    world.drop("rejects.csv", corrected.read_bytes())
    world.run_until_idle()
    [delivered] = (world.root / "outbox").glob("*/rejects.j2/patients.csv")
    names = {row["patient_id"]: row["family_name"] for row in table(delivered)}
    kept = {f"PT-X{n}": text.strip() for n, text in enumerate(FORMULAS)}
    assert len(names) > 5
    assert names == {key: value for key, value in kept.items() if key in names}
    world.close()

"""The daemon as its users meet it: many small files, one file's latency, idle, looks, questions."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.generate import LABELS, generate
from benchmarks.history import fill
from benchmarks.measure import ENVIRONMENT, ROOT
from daemon.inbox.scan import scan_inbox
from daemon.operations import Operations
from daemon.settings import load_settings
from daemon.statusfile import read_status

SETTLE_S = 0.5
_AT_REST_S = 10.0  # what a start has to do is done by then
_DAEMON = ("daemon", "run", "--adopt", "--root")


def small_file(number: int) -> bytes:
    """About 1 KB: a header and four patients nobody else has, in spellings that leave no doubt."""
    header = ",".join(LABELS.values())
    rows = (
        f"PT-{number:06d}-{row},Ada,T,Lovelace,19{50 + row}-12-1{row},F,{row} Elm St,Arlington,"
        f"TX,3350{row},(405) 901-47{row}4,ada{number}@example.com,AB+,Declined,White,Married,"
        f"Medicaid,INS-49842{row},Dr. Sarah Jackson,PROV2125{row}"
        for row in range(4)
    )
    return ("\n".join([header, *rows]) + "\n").encode()


@contextmanager
def daemon(root: Path, **settings: Any) -> Iterator[psutil.Process]:
    """A daemon that serves `root` with these settings, stopped at the end."""
    root.mkdir(parents=True, exist_ok=True)
    settings = {"intake": {"quiet_period_s": SETTLE_S}, **settings}
    (root / "harmonizer.yaml").write_text(json.dumps(settings))  # JSON is YAML, too
    process = subprocess.Popen(
        [sys.executable, "-m", *_DAEMON, str(root)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(lambda: _is_serving(root), limit_s=60.0)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _is_serving(root: Path) -> bool:
    page = read_status(root / "work/state")
    return page is not None and page["phase"] == "running"


def _waiting(root: Path) -> int:
    page = read_status(root / "work/state")
    return int(page["waiting"]["count"]) if page else 0


def _wait(is_so: Any, limit_s: float = 1_800.0, pause_s: float = 0.02) -> None:
    until_s = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > until_s:
            raise TimeoutError("the service did not get there")
        time.sleep(pause_s)


def _cpu_s(process: psutil.Process) -> float:
    everyone = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in everyone)


def _finished(root: Path) -> int:
    """How many jobs are finished; to count them all would take a core from the daemon."""
    with closing(sqlite3.connect(f"file:{root}/work/state/harmonizer.db?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT coalesce(sum(jobs), 0) FROM tally").fetchone()[0])


def small_files(folder: Path, files: int, *, history: int = 0) -> dict[str, Any]:
    """Drop many files at once by rename; seconds until the last one is delivered.

    history: how many jobs are finished before.
    """
    root = _fresh(folder / "small")
    if history:
        _init(root)
        fill(root / "work/state/harmonizer.db", history)
    staged = root / "staged"
    staged.mkdir()
    for number in range(files):
        (staged / f"f{number}.csv").write_bytes(small_file(number))
    with daemon(root) as process:
        if history:
            time.sleep(_AT_REST_S)  # a long past is backed up once, right after the start
        before_s = _cpu_s(process)
        started = time.perf_counter()
        for path in sorted(staged.iterdir()):
            path.rename(root / "inbox" / path.name)
        _wait(lambda: _finished(root) >= files + history, pause_s=0.1)
        wall_s = time.perf_counter() - started  # what is renamed into the inbox is whole at once
        cpu_s = _cpu_s(process) - before_s
    delivered = sum(1 for _ in (root / "outbox" / "patients").iterdir())
    assert delivered == files, f"{delivered} of {files} files were delivered"
    _put_by(root)
    return _rate(files, wall_s, cpu_s)


def naive_small_files(folder: Path, files: int) -> dict[str, Any]:
    """The same for the naive daemon."""
    root = _fresh(folder / "naive")
    arguments = [sys.executable, "-m", "benchmarks.naive_daemon", str(root), str(files)]
    process = subprocess.Popen(arguments, cwd=ROOT, env=ENVIRONMENT)
    _wait(lambda: (root / "ready").exists())
    watched = psutil.Process(process.pid)
    before_s, started = _cpu_s(watched), time.perf_counter()
    for number in range(files):
        # Written in place: a rename from a folder it does not watch would never be told to it.
        (root / "inbox" / f"f{number}.csv").write_bytes(small_file(number))
    cpu_s = before_s
    while process.poll() is None:
        try:
            cpu_s = _cpu_s(watched)
        except psutil.Error:
            break
        time.sleep(0.02)
    wall_s = time.perf_counter() - started
    assert process.wait() == 0
    _put_by(root)
    return _rate(files, wall_s, cpu_s - before_s)


def _rate(files: int, wall_s: float, cpu_s: float) -> dict[str, Any]:
    return {
        "files": files,
        "wall_s": round(wall_s, 2),
        "files_per_s": round(files / wall_s, 1),
        "cpu_ms_per_file": round(cpu_s / files * 1e3, 2),
    }


def latency(folder: Path, times: int = 10) -> dict[str, Any]:
    """From the end of the write of a 100 KB file to its delivery, beyond the quiet period."""
    source = generate(folder, 450)[0].read_bytes()
    root = _fresh(folder / "latency")
    taken_ms = []
    with daemon(root):
        for number in range(times):
            (root / "inbox" / f"f{number}.csv").write_bytes(source + b"\n" * number)
            started = time.perf_counter()
            _wait(lambda number=number: _deliveries(root) > number, pause_s=0.002)
            taken_ms.append((time.perf_counter() - started - SETTLE_S) * 1e3)
    _put_by(root)
    return {
        "bytes": len(source),
        "quiet_period_s": SETTLE_S,
        "median_ms": round(median(taken_ms), 1),
        "most_ms": round(max(taken_ms), 1),
    }


def _deliveries(root: Path) -> int:
    outbox = root / "outbox" / "patients"
    return sum(1 for _ in outbox.iterdir()) if outbox.is_dir() else 0


def overhead(folder: Path, rows: int, alone_wall_s: float) -> dict[str, Any]:
    """One large file through the daemon, against the pipeline alone."""
    source, _ = generate(folder, rows)
    root = _fresh(folder / "large")
    with daemon(root):
        shutil.copyfile(source, root / "large.part")
        started = time.perf_counter()
        (root / "large.part").rename(root / "inbox" / "large.csv")
        _wait(lambda: _finished(root) >= 1)
        wall_s = time.perf_counter() - started  # what is renamed into the inbox is whole at once
    _put_by(root)
    return {
        "bytes": source.stat().st_size,
        "daemon_wall_s": round(wall_s, 2),
        "pipeline_wall_s": round(alone_wall_s, 2),
        "times": round(wall_s / alone_wall_s, 3),
    }


def idle(folder: Path, *, archived: int, held: int, seconds: float) -> dict[str, Any]:
    """CPU of a daemon with nothing to do, in percent of one core."""
    root = _fresh(folder / "idle")
    for number in range(archived):
        shelf = root / "archive" / "2026-01-01" / f"j{number + 1_000_000}"
        shelf.mkdir(parents=True)
        (shelf / "old.csv").write_bytes(b"x")
    (root / "inbox").mkdir()
    for number in range(held):  # a marker is promised and does not come: the files wait
        (root / "inbox" / f"f{number}.csv").write_bytes(small_file(number))
    with daemon(root, sources=[{"path": ".", "complete": {"marker": "{name}.ok"}}]) as process:
        _wait(lambda: _waiting(root) == held)
        time.sleep(_AT_REST_S)
        before_s = _cpu_s(process)
        time.sleep(seconds)
        percent = (_cpu_s(process) - before_s) / seconds * 100
    _put_by(root)
    return {"archived": archived, "held": held, "seconds": seconds, "percent": round(percent, 3)}


def scan(folder: Path, entries: int) -> dict[str, Any]:
    """One look at an inbox with many files."""
    inbox = _fresh(folder / "scan")
    for number in range(entries):
        (inbox / f"f{number}.csv").touch()
    taken_s = []
    for _ in range(5):
        started = time.perf_counter()
        found = scan_inbox(inbox, ())
        taken_s.append(time.perf_counter() - started)
        assert len(found.candidates) == entries
    _put_by(inbox)
    return {"entries": entries, "seconds": round(min(taken_s), 3)}


def status_with_history(folder: Path, jobs: int) -> dict[str, Any]:
    """`status` when many jobs are finished."""
    root = _fresh(folder / "history")
    _init(root)
    fill(root / "work/state/harmonizer.db", jobs)
    taken = command(["status", "--root", str(root)])
    started = time.perf_counter()
    Operations(load_settings(None, root)).status()
    inner_s = time.perf_counter() - started
    _put_by(root)
    return {"jobs": jobs, "command_s": taken, "answer_s": round(inner_s, 3)}


def _init(root: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "daemon", "init", str(root)],
        cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True,
    )  # fmt: skip


def command(arguments: Sequence[str], times: int = 5) -> float:
    """Seconds a command of the CLI takes, from start to end; the best of a few."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "daemon", *arguments],
            cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=False,
        )  # fmt: skip
        taken.append(time.perf_counter() - started)
    return round(min(taken), 3)


def _fresh(folder: Path) -> Path:
    if folder.exists():
        _put_by(folder)
    folder.mkdir(parents=True)
    return folder


def _put_by(folder: Path) -> None:
    """Get a used folder out of the way, but remove nothing while there is more to measure.

    ext4 without a journal gives the place of what was removed in the last minutes to nobody, and
    each new file is then searched for among all of those: whatever runs next is slower for it.
    """
    used = folder.with_name("used")
    used.mkdir(exist_ok=True)
    folder.rename(used / f"{folder.name}-{sum(1 for _ in used.iterdir())}")


def remove_used(folder: Path) -> None:
    """Remove what the measurements in `folder` used: when all of them are made."""
    shutil.rmtree(folder / "used", ignore_errors=True)

"""Runs a command and says what it cost: wall time, CPU time and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bench-pycache"),
}
"""Modules are compiled once, as wherever a program is installed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """wall_s, cpu_s: seconds. rss_mb: the most memory that was held, in MiB.

    That is the peak of the process, or, where it has made others, of all of them together, seen
    every half second: what they share counts once.
    """

    wall_s: float
    cpu_s: float
    rss_mb: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, rounded as far as they mean something."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def run(arguments: Sequence[str], *, cores: Sequence[int] | None = None) -> Cost:
    """Run `python -m ...` once, in a process of its own, on some cores only if they are named.

    Raises:
        RuntimeError: it failed; its last words are part of the message.
    """
    environment = {**ENVIRONMENT, "PYTHONHASHSEED": "0"}
    with tempfile.NamedTemporaryFile() as note:
        started = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.inside", note.name, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
        )
        assert child.stderr is not None
        with child.stderr, _Watch(child.pid) as watch:
            words = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{arguments[0]} failed: {words.decode(errors='replace')[-2000:]}")
        return Cost(wall_s, used.ru_utime + used.ru_stime, _mb(note.read(), watch))


def _mb(peak_kb: bytes, watch: _Watch) -> float:
    return max(int(peak_kb), watch.most_kb) / 1024


class _Watch:
    """The most memory that a process and its children hold together."""

    def __init__(self, pid: int) -> None:
        self.most_kb = 0
        self._pid = pid
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.5):
            with suppress(OSError):
                children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
                if children:  # alone, it tells its own peak
                    held = sum(map(_pss_kb, (self._pid, *map(int, children))))
                    self.most_kb = max(self.most_kb, held)


def _pss_kb(pid: int) -> int:
    """What a process holds; of what it shares, its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each number."""
    return Cost(
        median(one.wall_s for one in costs),
        median(one.cpu_s for one in costs),
        median(one.rss_mb for one in costs),
    )

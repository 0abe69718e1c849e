"""Runs a command and says what it cost: wall time, CPU time and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Cost:
    """wall_s, cpu_s: seconds. rss_mb: the most memory one process held, in MiB."""

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
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
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
        with child.stderr:
            words = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{arguments[0]} failed: {words.decode(errors='replace')[-2000:]}")
        return Cost(wall_s, used.ru_utime + used.ru_stime, int(note.read()) / 1024)


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each number."""
    return Cost(
        median(one.wall_s for one in costs),
        median(one.cpu_s for one in costs),
        median(one.rss_mb for one in costs),
    )

"""Damage files of every format by the thousand and read each: `python -m tests.fuzz --seconds 600`.

Each target has a process of its own, with a limit on memory; each file a limit on CPU time. What is
no refusal in our words is told with the number of its file, and `--target T --number N -o FILE`
makes that file again.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from tests.fuzz.reading import read_all
from tests.fuzz.targets import Target, targets

MOST_MEMORY_BYTES = 1 << 30
MOST_S = 5.0
_WALL_S = 120.0
_WARM = 3


class TooLong(BaseException):
    """A file that takes more CPU time than any damaged one should."""


@dataclass
class Tally:
    """What came of one target. findings: by what went wrong and where, the first file that did."""

    target: str
    files: int = 0
    cpu_s: float = 0.0
    slowest_s: float = 0.0
    slowest: int = 0
    peak_mb: float = 0.0
    findings: dict[str, int] = field(default_factory=dict)


def damaged(name: str, made: Target, number: int) -> bytes:
    """The file of a target that has this number."""
    return made(Random(f"{name}/{number}"))


def fuzz(name: str, seconds: float, first: int, note: Path) -> Tally:
    """Read damaged files of one target until so much CPU time is spent."""
    made, tally = targets()[name], Tally(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        for number in range(_WARM):
            path.write_bytes(damaged(name, made, number))
            read_all(path)
        base = _memory_mb()
        _limit_memory()
        signal.signal(signal.SIGPROF, _too_long)
        began, number = time.process_time(), first
        while time.process_time() - began < seconds:
            path.write_bytes(damaged(name, made, number))
            note.write_text(str(number))
            before = time.process_time()
            found = _tried(path)
            taken = time.process_time() - before
            if taken > tally.slowest_s:
                tally.slowest_s, tally.slowest = taken, number
            if found:
                tally.findings.setdefault(found, number)
            number += 1
        tally.files, tally.cpu_s = number - first, time.process_time() - began
        tally.peak_mb = _memory_mb() - base
    return tally


def _tried(path: Path) -> str:
    """What went wrong, in a line; empty when nothing did."""
    try:
        with _hurried():
            read_all(path)
    except (Exception, TooLong) as error:  # noqa: BLE001 - any of them is a finding
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{Path(one.filename).name}:{one.lineno}:{one.name}" for one in frames[-3:]]
        return f"{type(error).__name__} in {' > '.join(places)}: {str(error)[:120]}"
    return ""


@contextmanager
def _hurried() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, MOST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TooLong


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Run all targets, or one; 1 when something was found."""
    asked = _arguments()
    if asked.child:
        print(json.dumps(asdict(fuzz(asked.target, asked.seconds, asked.first, Path(asked.child)))))
        return 0
    names = [name for name in targets() if asked.target in ("", name)]
    if asked.number is not None:
        Path(asked.output).write_bytes(damaged(names[0], targets()[names[0]], asked.number))
        return 0
    tallies = [_in_a_process(name, asked.seconds / len(names), asked.first) for name in names]
    files, cpu_s = sum(one.files for one in tallies), sum(one.cpu_s for one in tallies)
    peak = max(one.peak_mb for one in tallies)
    print(f"{len(tallies)} targets, {files} files, {cpu_s:.0f} s of CPU, peak {peak:.0f} MB")
    return int(any(one.findings for one in tallies))


def _in_a_process(name: str, seconds: float, first: int) -> Tally:
    with tempfile.NamedTemporaryFile("r") as note:
        command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--seconds", str(seconds)]
        command += ["--first", str(first), "--child", note.name]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=_WALL_S + 20 * seconds
            )
            died = f"died ({ended.returncode}) {ended.stderr[-400:]}"
            said = ended.stdout if ended.returncode == 0 else ""
        except subprocess.TimeoutExpired:
            died, said = "did not end", ""
        tally = Tally(name, findings={died: int(note.read() or 0)})
        if said:
            tally = Tally(**json.loads(said.splitlines()[-1]))
    print(
        f"{name}: {tally.files} files, {tally.cpu_s:.0f} s, slowest {tally.slowest_s:.1f} s "
        f"(number {tally.slowest}), peak {tally.peak_mb:.0f} MB",
        flush=True,
    )
    for what, number in tally.findings.items():
        print(f"  number {number}: {what}", flush=True)
    return tally


def _arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=600.0, help="of CPU, over all targets")
    asked.add_argument("--first", type=int, default=0, help="the number of the first file")
    asked.add_argument("--target", default="")
    asked.add_argument("--number", type=int, default=None)
    asked.add_argument("-o", "--output", default="damaged")
    asked.add_argument("--child", default="", help=argparse.SUPPRESS)
    return asked.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""One worker process as the daemon sees it: started, spoken to, killed, and blamed exactly.

Nothing (no lock, queue or semaphore) is shared between two workers, so killing one can never block
another or the daemon. Only the pool's thread may call these methods.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from functools import cache
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType
from typing import Any

from daemon.executors.base import AttemptLost, LossKind
from daemon.executors.worker import WorkerLimits, serve
from pipeline.errors import short_path

_FORKSERVER = multiprocessing.get_context("forkserver")
_PRELOADED = (  # imported once, in the fork server: a new worker is ready in about 10 ms
    "daemon.executors.worker",
    "pandas",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
)
# One CPU a worker, and no more heaps than needed: the pool's size is what makes work parallel
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # What Arrow's allocators reserve and do not use counts towards the memory limit: the usual one
    # begins with a gigabyte, and this one keeps what was given back to it, unless it is told.
    "ARROW_DEFAULT_MEMORY_POOL": "jemalloc",
    "JE_ARROW_MALLOC_CONF": "retain:false",
}
_READ_BYTES = 65_536
_READ_A_TURN_BYTES = 1024 * 1024  # a worker that talks without end must not keep the others waiting
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_NOISE_KEPT_BYTES = 16_384
_SERVER_GONE = 255  # how multiprocessing reports a child whose fork server is no more

_OOM_KILL = b"\noom_kill "
_FRAME = re.compile(r'File "([^"\n]+)", line (\d+) in (\S+)')
_MEMORY_NOISE = re.compile(
    r"bad_alloc|MemoryError|out of memory|cannot allocate memory|memory allocation of"
    r"|unable to allocate|std::length_error",
    re.IGNORECASE,
)


def prepare(entry: str) -> None:
    """Say what the fork server, started with the first worker, is to import and inherit."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _FORKSERVER.set_forkserver_preload([*_PRELOADED, entry.partition(":")[0]])


class WorkerProcess:
    """A live worker. `doomed` holds the verdict from when it was told to die."""

    def __init__(self, limits: WorkerLimits) -> None:
        self._pipe, theirs = _FORKSERVER.Pipe()
        self._noise, their_noise = _FORKSERVER.Pipe(duplex=False)
        self._process = _FORKSERVER.Process(
            target=serve, args=(theirs, their_noise, limits), daemon=True
        )
        try:
            with _nothing_of_ours_inherited():
                self._process.start()
        except BaseException:
            self._pipe.close()
            self._noise.close()
            raise
        finally:
            theirs.close()
            their_noise.close()
        self.pid: int = self._process.pid or 0
        self.ready = False
        self.tasks_given = 0
        self.doomed: AttemptLost | None = None
        self.born_s = time.monotonic()
        self._heard = b""
        self._noise_heard = b""
        self._oom_kills_before = oom_kills()
        self._open = {self._pipe.fileno(), self._noise.fileno()}
        for fd in self._open:
            os.set_blocking(fd, False)

    @property
    def sources(self) -> list[int]:
        """What to wait on: descriptors that become readable when there is something to do."""
        return [*self._open, self._process.sentinel]

    @property
    def mute(self) -> bool:
        """The worker closed its pipe: it is dying, or of no use any more."""
        return self._pipe.fileno() not in self._open

    @property
    def sentinel(self) -> int:
        """Readable once the process has ended."""
        return self._process.sentinel

    def give(self, task: dict[str, Any], deadline_s: float) -> None:
        """Hand over a task. Small enough for the empty pipe of an idle worker: never waits."""
        self.tasks_given += 1
        self._noise_heard = b""
        self._oom_kills_before = oom_kills()
        order = json.dumps({"task": task, "deadline_s": deadline_s}).encode("ascii") + b"\n"
        with contextlib.suppress(OSError):  # if it has died, its sentinel says so
            os.write(self._pipe.fileno(), order)

    def hear(self, *, to_the_end: bool = False) -> list[dict[str, Any]]:
        """The messages that have arrived whole, of a talkative worker only some. Never waits.

        to_the_end: the worker has ended; read all that it left.

        Raises:
            ValueError: what arrived is no message; the worker's memory must be damaged.
        """
        most = _MAX_MESSAGE_BYTES if to_the_end else _READ_A_TURN_BYTES
        self._noise_heard += self._read(self._noise.fileno(), most)
        self._noise_heard = self._noise_heard[-_NOISE_KEPT_BYTES:]
        self._heard += self._read(self._pipe.fileno(), most)
        *lines, self._heard = self._heard.split(b"\n")
        if len(self._heard) > _MAX_MESSAGE_BYTES:
            raise ValueError("message too long")
        messages = [json.loads(line) for line in lines]
        if not all(isinstance(message, dict) for message in messages):
            raise ValueError("not a message")
        return messages

    def _read(self, fd: int, most: int) -> bytes:
        chunks: list[bytes] = []
        while fd in self._open and len(chunks) * _READ_BYTES < most:
            try:
                chunk = os.read(fd, _READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            if not chunk:
                self._open.discard(fd)
            chunks.append(chunk)
        return b"".join(chunks)

    def kill(self, kind: LossKind, detail: str) -> None:
        """End the process and whatever it has started. The first verdict stands."""
        if self.doomed is None:
            self.doomed = AttemptLost(kind, detail)
        self._kill_group()

    def _kill_group(self) -> None:
        for end in (os.killpg, os.kill):  # it may not have made its group yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(self.pid, signal.SIGKILL)

    def reap(self, *, overdue: bool) -> AttemptLost:
        """Call once the sentinel is readable and all is heard: clear away, and say why it ended.

        `overdue`: it had a task whose deadline has passed.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # what it started must not outlive it
        self._process.join()
        exit_code = self._process.exitcode
        self._process.close()
        self.let_go()
        return self.doomed or blame(
            exit_code if exit_code is not None else _SERVER_GONE,
            self._noise_heard.decode("utf-8", "replace"),
            overdue=overdue,
            out_of_memory=oom_kills() > self._oom_kills_before,
        )

    def let_go(self) -> None:
        """Close our ends."""
        self._open.clear()
        self._pipe.close()
        self._noise.close()


def blame(exit_code: int, noise: str, *, overdue: bool, out_of_memory: bool) -> AttemptLost:
    """Why a process ended that gave no answer. Pure.

    exit_code: negative for a signal. noise: the last it printed, of which only known phrases and
    lines of code are looked at. out_of_memory: the kernel ended something for want of memory.
    """
    where = _place_in(noise)
    if exit_code in (1, -signal.SIGALRM) and overdue:  # its own alarm
        return AttemptLost("timeout", f"still at work past its deadline{where}")
    if exit_code == -signal.SIGXCPU:
        return AttemptLost("timeout", f"used more processor time than its deadline allows{where}")
    if exit_code == -signal.SIGKILL:
        if out_of_memory:
            return AttemptLost("memory", "ended by the kernel, which had no memory left")
        return AttemptLost("killed", "signal SIGKILL from outside")
    if exit_code == _SERVER_GONE:
        return AttemptLost("killed", "the process that starts workers was ended from outside")
    cause = _signal_name(-exit_code) if exit_code < 0 else f"exit code {exit_code} before an answer"
    if _MEMORY_NOISE.search(noise):
        return AttemptLost("memory", f"{cause} after memory ran out{where}")
    return AttemptLost("crashed", f"{cause}{where}")


def _signal_name(number: int) -> str:
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"


def _place_in(noise: str) -> str:
    """The line of code the main thread was at, from faulthandler's dump (which lists it last)."""
    *_, dump = noise.split("(most recent call first)")
    found = _FRAME.search(dump)
    if found is None or dump is noise:
        return ""
    return f" at {short_path(found[1])}:{found[2]}:{found[3]}"


def oom_kills() -> int:
    """How many processes the kernel has ended for want of memory, here or on this machine."""
    for path in (_group_events(), "/proc/vmstat"):
        with contextlib.suppress(OSError, ValueError):
            return _counter(path)
    return 0


@cache
def _group_events() -> str:
    """Where the kernel counts what happened to our control group; it stays in that one."""
    with contextlib.suppress(OSError, ValueError):
        group = Path("/proc/self/cgroup").read_text("ascii").strip().removeprefix("0::/")
        events = Path("/sys/fs/cgroup", group, "memory.events")
        return str(events) if events.is_file() else ""
    return ""


def _counter(path: str) -> int:
    """The number behind `oom_kill`, read without a look at the hundred others: it is for each task.

    Raises:
        OSError, ValueError: there is no such file, or no such counter.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b"\n" + os.read(handle, _READ_BYTES)
    finally:
        os.close(handle)
    at = content.index(_OOM_KILL) + len(_OOM_KILL)
    return int(content[at : content.index(b"\n", at)])


@contextlib.contextmanager
def _nothing_of_ours_inherited() -> Iterator[None]:
    """Keep the daemon's signals and its main module out of the fork server and its children.

    Without this, a Ctrl-C would reach the fork server while it imports, and every worker would run
    the daemon's script again, importing the database and the command line.
    """
    resource_tracker.ensure_running()  # first: its start unblocks these signals
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

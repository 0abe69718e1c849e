"""What runs inside a worker process. Imports the pipeline, loguru and the stdlib, nothing else.

Messages are JSON, one a line. In: {"task": {...}, "deadline_s": 600.0}. Out: {"begun": true},
any number of {"log": {...}}, then one of
    {"ok": {...}}                                      a HarmonizeResult
    {"refused": {"class", "code", "note", "details"}}  a PipelineError
    {"lost": {"kind": "memory", "detail"}}             the worker is at its memory limit
    {"failed": {"type", "trace"}}                      a mistake of ours, without its words
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import faulthandler
import gc
import importlib
import json
import os
import resource
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from pipeline import errors
from pipeline.errors import PipelineError, chain_of, trace_of
from pipeline.messages import HarmonizeResult, HarmonizeTask, begun_mark, outlived_mark

if TYPE_CHECKING:
    from loguru import Message

HARMONIZE = "pipeline.harmonize:harmonize_file"
# How a want of memory shows when it is no MemoryError. Only these types: others quote the data.
_MEMORY_TYPES = frozenset({"RuntimeError", "ParserError", "ArrowException", "OSError"})
_MEMORY_WORDS = (
    "out of memory",
    "cannot allocate memory",
    "failed to launch worker thread",
    "can't start new thread",
    "unable to start watchdog thread",
)
_MAX_LOG_CHARS = 2_000
_busy_with: list[str] = []  # the staging folder of the attempt under way, if one is
_PR_SET_PDEATHSIG = 1
_CPUS = os.cpu_count() or 1
_GARBAGE_AT = 10_000  # new objects; Python's own 700 are those of a single small file


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What one worker may use and how much it says. `entry` is `module:function`.

    contracts_dir: contracts to read before the first task comes (0.4 s); a hint, no more.
    """

    memory_bytes: int | None = None
    log_level: str = "INFO"
    entry: str = HARMONIZE
    contracts_dir: str | None = None


def run_task(task: dict[str, Any], entry: str = HARMONIZE) -> dict[str, Any]:
    """Harmonize one file; every way it can end, short of the process ending, is an answer.

    This function is the whole contract with any engine: give it to a pipe, to Dask, to a shell.
    """
    answer: dict[str, Any] = json.loads(_answer(task, entry))
    return answer


def _answer(task: dict[str, Any], entry: str) -> str:
    """The answer as JSON in one line.

    A mark beside the staging folder tells, should the daemon be lost meanwhile, that the attempt
    was really made.
    """
    _busy_with.append(task.get("staging_dir", ""))
    try:
        with contextlib.suppress(OSError, ValueError):  # a task from elsewhere may have no folder
            _leave(begun_mark(task["staging_dir"]))
        result = load_entry(entry)(HarmonizeTask.from_json(task))
        return json.dumps({"ok": result.to_json()})  # what cannot cross is our mistake, told as one
    except KeyboardInterrupt:  # not the task's doing; a worker process ignores it
        raise
    except BaseException as error:  # noqa: BLE001 - every bug goes to the parent, as plain data
        return json.dumps(_told(error), default=_type_of)
    finally:
        _busy_with.clear()


def _type_of(thing: object) -> str:
    """What is written of what JSON does not know."""
    return type(thing).__name__


def _leave(mark: Path) -> None:
    """Make the mark, unless it is there."""
    os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))


def load_entry(entry: str) -> Callable[[HarmonizeTask], HarmonizeResult]:
    """The function named `module:function`."""
    module, _, name = entry.partition(":")
    found: Callable[[HarmonizeTask], HarmonizeResult] = getattr(
        importlib.import_module(module), name
    )
    return found


def _told(error: BaseException) -> dict[str, Any]:
    if any(_is_memory(link) for link in chain_of(error)):
        return {"lost": {"kind": "memory", "detail": f"{type(error).__name__} was raised"}}
    if isinstance(error, PipelineError):
        known = (
            kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__
        )
        refusal = {
            "class": next(known),
            "code": error.code.value,
            "note": error.note,
            "details": error.details,
        }
        return {"refused": refusal}
    return {"failed": {"type": _type_name(error), "trace": trace_of(error)}}


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):  # Arrow's is a subclass
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    if type(error).__name__ not in _MEMORY_TYPES:
        return False
    words = str(error).lower()
    return any(phrase in words for phrase in _MEMORY_WORDS)


def _type_name(error: BaseException) -> str:
    """The type, with the errno of an operating-system error: `OSError ENOSPC`."""
    number = (error.errno if isinstance(error, OSError) else None) or 0
    suffix = f" {errno.errorcode[number]}" if number in errno.errorcode else ""
    return f"{type(error).__qualname__}{suffix}"


class _Voice:
    """The worker's side of its pipe. Locked: library threads may log while the answer is sent."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def say(self, message: dict[str, Any]) -> None:
        """Send one message whole; the daemon always listens, so this does not wait for long."""
        self.tell(json.dumps(message, default=_type_of))

    def tell(self, text: str) -> None:
        """Send a message that is JSON already."""
        rest = memoryview(text.encode("ascii") + b"\n")
        with self._lock:
            while rest:
                rest = rest[os.write(self._fd, rest) :]


def serve(pipe: Connection[Any, Any], noise: Connection[Any, Any], limits: WorkerLimits) -> None:
    """Answer tasks until the daemon closes the pipe or dies.

    Everything libraries print goes down `noise`, never to the daemon's own output: they quote
    data. The daemon reads from it only where a crash happened.
    """
    os.setsid()  # a group of its own: what a library starts can be killed with the worker
    for stream in (1, 2):
        os.dup2(noise.fileno(), stream)
    noise.close()
    faulthandler.enable(all_threads=False)
    _end_at_the_alarm()
    _leave_when_the_daemon_dies()
    _limit(limits)
    voice = _Voice(pipe.fileno())
    _log_to(voice, limits.log_level)
    with contextlib.suppress(Exception):  # the first task will say what is wrong with it
        _warm_up(limits)
    _keep_what_is_loaded()
    voice.say({"ready": os.getpid()})
    with os.fdopen(os.dup(pipe.fileno()), "rb") as orders:
        for order in orders:
            voice.say({"begun": True})
            voice.tell(_obey(json.loads(order), limits.entry))


def _warm_up(limits: WorkerLimits) -> None:
    load_entry(limits.entry)
    if limits.contracts_dir is not None:
        from pipeline.contract.loading import (
            load_contracts,  # a worker without contracts does not need it
        )

        load_contracts(Path(limits.contracts_dir))


def _keep_what_is_loaded() -> None:
    """Modules and contracts stay, so the search for garbage need not go through them again.

    Nor need it begin for each small file, which leaves hardly any: Python counts references.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_AT)


def _obey(order: dict[str, Any], entry: str) -> str:
    deadline_s: float = order["deadline_s"]
    _limit_cpu(deadline_s)
    signal.setitimer(signal.ITIMER_REAL, deadline_s)
    try:
        return _answer(order["task"], entry)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end_at_the_alarm() -> None:
    """At its deadline the process leaves the stack and ends, by the alarm's own default.

    The handler is in C: it does so while a library holds the GIL, and needs no thread for a task.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)


def _limit(limits: WorkerLimits) -> None:
    """Own signals and limits. SIGINT is the daemon's business: Ctrl-C reaches every process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the data
    if limits.memory_bytes is not None:
        # not RLIMIT_AS: Arrow reserves far more address space than it ever uses
        _lower(resource.RLIMIT_DATA, limits.memory_bytes)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("500")  # when the machine runs out, a worker goes before the daemon


def _limit_cpu(deadline_s: float) -> None:
    """The kernel's own backstop: more than the deadline on every CPU cannot be legitimate."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed_s = used.ru_utime + used.ru_stime + deadline_s * _CPUS + 5
    _lower(resource.RLIMIT_CPU, int(allowed_s) + 1)


def _lower(limit: int, value: int) -> None:
    """Set a soft limit, as far as the hard one lets us."""
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _leave_when_the_daemon_dies() -> None:
    """Two watches, since neither is enough alone.

    The kernel kills us with our parent, the fork server, even while a library holds the GIL; but
    the fork server outlives a killed daemon for as long as a worker holds its `alive` pipe, so we
    let go of that. A thread sees the daemon itself end and takes our whole group along.
    """
    server: Any = getattr(forkserver, "_forkserver", None)  # no public way to let go of it
    alive: int | None = getattr(server, "_forkserver_alive_fd", None)
    if alive is not None:
        os.close(alive)
        server._forkserver_alive_fd = None
    parent_pid = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os.killpg(0, signal.SIGKILL)
    daemon = parent_process()
    if daemon is not None:
        from pipeline.beside import stands_aside  # the daemon itself reads no tables

        watch = threading.Thread(target=_follow, args=(daemon.sentinel,), daemon=True)
        stands_aside(watch)
        watch.start()


def _follow(sentinel: int) -> None:
    """End with the daemon. That this process could outlive it acquits the file it is busy with."""
    wait([sentinel])
    for staging_dir in tuple(_busy_with):
        with contextlib.suppress(OSError, ValueError):
            _leave(outlived_mark(staging_dir))
    os.killpg(0, signal.SIGKILL)


def _log_to(voice: _Voice, level: str) -> None:
    """Send what the pipeline logs to the daemon. Of an error, only its type and place."""

    def sink(message: Message) -> None:
        record = message.record
        fields = dict(record["extra"])
        caught = record["exception"]
        if caught is not None and caught.value is not None:
            fields["error"] = type(caught.value).__name__
            fields["trace"] = trace_of(caught.value)
        text = record["message"][:_MAX_LOG_CHARS]
        voice.say({"log": {"level": record["level"].name, "message": text, "fields": fields}})

    logger.remove()
    logger.add(sink, level=level, format="{message}", diagnose=False, backtrace=False, catch=True)

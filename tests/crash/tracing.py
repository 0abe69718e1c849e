"""Runs the real daemon under ptrace, in plain Python: counts, refuses, delays or kills at any call.

No compiler, no strace: a seccomp filter stops the traced processes at the system calls of interest,
and this process decides what becomes of each. Threads, the fork server and workers are followed.

As a program it is a zygote: it has the daemon's modules loaded already and forks once for every
line of JSON on its standard input (a `Plan`), answering with one line (an `Account`).
Linux on x86-64 only; `why_not` says what is missing.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

# x86-64 numbers of the calls that change something on a disk ...
CHANGES = {
    "write": 1,
    "pwrite64": 18,
    "writev": 20,
    "sendfile": 40,
    "pwritev": 296,
    "pwritev2": 328,
    "copy_file_range": 326,
    "fallocate": 285,
    "fsync": 74,
    "fdatasync": 75,
    "syncfs": 306,
    "truncate": 76,
    "ftruncate": 77,
    "sync_file_range": 277,
    "rename": 82,
    "renameat": 264,
    "renameat2": 316,
    "link": 86,
    "linkat": 265,
    "symlink": 88,
    "symlinkat": 266,
    "unlink": 87,
    "unlinkat": 263,
    "rmdir": 84,
    "mkdir": 83,
    "mkdirat": 258,
    "mknod": 133,
    "mknodat": 259,
    "chmod": 90,
    "fchmod": 91,
    "fchmodat": 268,
    "fchmodat2": 452,
    "chown": 92,
    "fchown": 93,
    "lchown": 94,
    "fchownat": 260,
    "utimensat": 280,
}
# ... and of those that only look, and may fail all the same
LOOKS = {
    "read": 0,
    "pread64": 17,
    "fstat": 5,
    "newfstatat": 262,
    "statx": 332,
    "getdents64": 217,
    "access": 21,
    "faccessat": 269,
    "faccessat2": 439,
    "readlink": 89,
    "readlinkat": 267,
    "statfs": 137,
    "fstatfs": 138,
    "mmap": 9,
    "flock": 73,
    "fcntl": 72,
    "lseek": 8,
    "stat": 4,
    "lstat": 6,
    "chdir": 80,
}
OPENS = {"open": 2, "openat": 257, "creat": 85}
_NUMBERS = {**CHANGES, **LOOKS, **OPENS}
_NAMES = {number: name for name, number in _NUMBERS.items()}
_PATH_AT = {  # position of (dirfd, path) in the arguments; dirfd None: relative to the cwd
    **dict.fromkeys(("rename", "link"), ((None, 0), (None, 1))),
    **dict.fromkeys(("renameat", "renameat2", "linkat"), ((0, 1), (2, 3))),
    "symlink": ((None, 1),),
    "symlinkat": ((1, 2),),
    **dict.fromkeys(
        ("unlink", "rmdir", "mkdir", "mknod", "chmod", "chown", "lchown", "truncate", "open"),
        ((None, 0),),
    ),
    **dict.fromkeys(("creat", "access", "readlink", "statfs", "stat", "lstat"), ((None, 0),)),
    **dict.fromkeys(("unlinkat", "mkdirat", "mknodat", "fchmodat", "fchmodat2"), ((0, 1),)),
    **dict.fromkeys(("fchownat", "utimensat", "openat", "newfstatat", "statx"), ((0, 1),)),
    **dict.fromkeys(("faccessat", "faccessat2", "readlinkat"), ((0, 1),)),
}
_FD_AT = {"mmap": 4, "copy_file_range": 2}  # else the first argument
_O_CHANGES = os.O_CREAT | os.O_TRUNC

_SEIZE, _CONT, _SYSCALL, _POKEUSER, _SYSCALL_INFO, _EVENT_MSG = 0x4206, 7, 24, 6, 0x420E, 0x4201
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000  # sysgood, children, exec, seccomp, kill
_EVENT_SECCOMP, _EVENT_STOP = 7, 128
_RAX, _ORIG_RAX = 80, 120  # offsets in struct user
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclass(kw_only=True)
class Plan:
    """One run of `harmonizer ARGV` over `root`, and what is to happen in it.

    kind: `count` (let everything pass), `kill-before`, `kill-after`, `error`. The calls named in
    `calls` that concern a path below one of `roots` are counted from 1; the fault falls on number
    `at` (with `for_s`: on it and on all that follow for so many seconds). `whose`: `daemon`,
    `worker` or `any`. victim: `self` (the calling process) or `all`.
    """

    argv: list[str]
    environment: dict[str, str]
    roots: list[str]
    output: str
    kind: str = "count"
    at: int = 0
    for_s: float = 0.0
    error: str = "EIO"
    calls: list[str] = field(default_factory=lambda: sorted({*CHANGES, *OPENS}))
    whose: str = "any"
    victim: str = "all"
    limit_s: float = 60.0
    keep: bool = False
    every_open: bool = False  # else only opens that may make or empty a file count


@dataclass(kw_only=True)
class Account:
    """What came of it. ops: (call, role, path, second path) of the counted calls, if kept."""

    exit_code: int | None
    signal: int | None
    count: int
    struck: str
    faults: int
    cpu_s: float
    seconds: float
    timed_out: bool
    ops: list[list[str]]


def why_not() -> str | None:
    """Why nothing can be traced here; None when it can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "the tracer speaks Linux on x86-64 only"
    with contextlib.suppress(OSError), Path("/proc/self/status").open() as lines:
        traced = next(line for line in lines if line.startswith("TracerPid"))
        if int(traced.split()[1]):
            return "this process is traced already"
    child = os.fork()
    if child == 0:
        time.sleep(5)
        os._exit(0)
    refused = _libc.ptrace(_SEIZE, child, None, _OPTIONS) != 0
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, _WALL)
    return "ptrace is not permitted here" if refused else None


class Zygote:
    """The program below, kept warm. One plan at a time."""

    def __init__(self, cwd: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.tracing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def run(self, plan: Plan) -> Account:
        """Carry out one plan."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(plan)).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the tracer ended"
        return Account(**json.loads(answer))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


# -- the program -----------------------------------------------------------------------------------


def _serve() -> None:
    import pandas  # noqa: F401 - loaded once, here; an inline attempt needs them
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    import daemon.app
    import daemon.cli  # noqa: F401
    import pipeline.harmonize  # noqa: F401

    for line in sys.stdin:
        account = _Tracer(Plan(**json.loads(line))).run()
        sys.stdout.write(json.dumps(asdict(account)) + "\n")
        sys.stdout.flush()


class _Tracer:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._numbers = {_NUMBERS[name] for name in plan.calls}
        self._roots = tuple(os.fsencode(root) for root in plan.roots)
        self._main = 0
        self._group_of: dict[int, int] = {}
        self._count = 0
        self._faults = 0
        self._struck = ""
        self._fault_until_s = float("inf")
        self._after: set[int] = set()  # threads whose call is to be their last
        self._ops: list[list[str]] = []

    def run(self) -> Account:
        began_s = time.monotonic()
        before = os.times()
        self._start()
        status = self._follow(began_s + self._plan.limit_s)
        after = os.times()
        return Account(
            exit_code=os.WEXITSTATUS(status)
            if status is not None and os.WIFEXITED(status)
            else None,
            signal=os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
            count=self._count,
            struck=self._struck,
            faults=self._faults,
            cpu_s=after.children_user
            + after.children_system
            - before.children_user
            - before.children_system,
            seconds=time.monotonic() - began_s,
            timed_out=self._timed_out,
            ops=self._ops,
        )

    def _start(self) -> None:
        ours, theirs = os.pipe()
        self._main = os.fork()
        if self._main == 0:
            os.close(theirs)
            os.read(ours, 1)
            os.close(ours)
            _become_the_daemon(self._plan, self._numbers)
        os.close(ours)
        if _libc.ptrace(_SEIZE, self._main, None, _OPTIONS) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")
        os.write(theirs, b"!")
        os.close(theirs)

    def _follow(self, end_s: float) -> int | None:
        """Handle stops until every process of this run is gone. The daemon's exit status."""
        result: int | None = None
        self._timed_out = False
        with _alarm(end_s):
            while True:
                try:
                    pid, status = os.waitpid(-1, _WALL)
                except ChildProcessError:
                    return result
                except _TimeIsUp:
                    self._timed_out = True
                    self._kill_all()
                    continue
                if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                    if pid == self._main:
                        result = status
                        end_s = min(end_s, time.monotonic() + 20.0)
                        signal.setitimer(signal.ITIMER_REAL, 20.0)
                    continue
                self._handle(pid, status)

    def _handle(self, pid: int, status: int) -> None:
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == _EVENT_SECCOMP:
            self._at_call(pid)
        elif event:
            _resume(pid, 0)
        elif number == signal.SIGTRAP | 0x80:  # the end of a call that is to be the last
            if pid in self._after:
                self._after.discard(pid)
                self._kill(pid)
            _resume(pid, 0)
        else:
            _resume(pid, number)

    def _at_call(self, pid: int) -> None:
        number, arguments = _call_of(pid)
        name = _NAMES.get(number, "")
        paths = self._paths(pid, name, arguments) if number in self._numbers else []
        if not paths:
            _resume(pid, 0)
            return
        role = "daemon" if self._group(pid) == self._main else "worker"
        if self._plan.whose not in ("any", role):
            _resume(pid, 0)
            return
        self._count += 1
        what = [name, role, *(os.fsdecode(path) for path in paths)]
        if self._plan.keep:
            self._ops.append(what)
        if not self._is_due():
            _resume(pid, 0)
            return
        self._struck = self._struck or " ".join(what)
        self._strike(pid)

    def _is_due(self) -> bool:
        plan = self._plan
        if plan.kind == "count" or self._count < plan.at:
            return False
        if self._count == plan.at:
            self._fault_until_s = time.monotonic() + plan.for_s
            return True
        return plan.kind == "error" and time.monotonic() < self._fault_until_s

    def _strike(self, pid: int) -> None:
        self._faults += 1
        if self._plan.kind == "kill-before":
            self._kill(pid)
            _resume(pid, 0)
        elif self._plan.kind == "kill-after":
            self._after.add(pid)
            _libc.ptrace(_SYSCALL, pid, None, None)
        else:
            code = getattr(errno, self._plan.error)
            _libc.ptrace(_POKEUSER, pid, _ORIG_RAX, ctypes.c_void_p(-1))
            _libc.ptrace(_POKEUSER, pid, _RAX, ctypes.c_void_p(-code))
            _resume(pid, 0)

    def _kill(self, pid: int) -> None:
        if self._plan.victim == "all":
            self._kill_all()
        else:
            victim = self._group(pid) if self._plan.victim == "self" else self._main
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

    def _kill_all(self) -> None:
        for group in {self._main, *self._group_of.values(), *_descendants(os.getpid())}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(group, signal.SIGKILL)

    def _group(self, pid: int) -> int:
        """The process of a thread."""
        if pid not in self._group_of:
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/status").read_text()
                line = next(line for line in text.splitlines() if line.startswith("Tgid"))
                self._group_of[pid] = int(line.split()[1])
        return self._group_of.get(pid, pid)

    def _paths(self, pid: int, name: str, arguments: tuple[int, ...]) -> list[bytes]:
        """The paths below our roots that the call is about; none for one that is not ours."""
        if not self._plan.every_open and name in ("open", "openat"):
            flags = arguments[1 if name == "open" else 2]
            if not flags & _O_CHANGES:
                return []
        places = _PATH_AT.get(name)
        if places is None:
            descriptor = ctypes.c_int(arguments[_FD_AT.get(name, 0)]).value
            found = [_descriptor(pid, descriptor)]
        else:
            found = [
                _resolved(pid, None if at is None else arguments[at], arguments[path])
                for at, path in places
            ]
        return found if any(path.startswith(self._roots) for path in found) else []


class _TimeIsUp(Exception):
    pass


@contextlib.contextmanager
def _alarm(end_s: float) -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(0.1, end_s - time.monotonic()), 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _resume(pid: int, number: int) -> None:
    _libc.ptrace(_CONT, pid, None, number)


def _call_of(pid: int) -> tuple[int, tuple[int, ...]]:
    buffer = ctypes.create_string_buffer(88)
    _libc.ptrace(_SYSCALL_INFO, pid, ctypes.c_void_p(88), ctypes.addressof(buffer))
    number, *arguments = struct.unpack_from("<7Q", buffer.raw, 24)
    return number, tuple(arguments)


def _descriptor(pid: int, descriptor: int) -> bytes:
    try:
        return os.fsencode(Path(f"/proc/{pid}/fd/{descriptor}").readlink())
    except OSError:
        return b""


def _resolved(pid: int, at: int | None, address: int) -> bytes:
    path = _text(pid, address)
    if path.startswith(b"/proc/self/fd/"):
        number, _, rest = path[14:].partition(b"/")
        return _descriptor(pid, int(number)) + b"/" + rest
    if path.startswith(b"/"):
        return path
    folder = ctypes.c_int(at).value if at is not None else -100
    if folder != -100:
        base = _descriptor(pid, folder)
    else:
        with contextlib.suppress(OSError):
            base = os.fsencode(Path(f"/proc/{pid}/cwd").readlink())
            return base + b"/" + path
        base = b""
    return base + b"/" + path if path else base


def _text(pid: int, address: int) -> bytes:
    if not address:
        return b""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        found = b""
        while b"\0" not in found and len(found) < 8192:
            memory.seek(address + len(found))
            found += memory.read(4096 - (address + len(found)) % 4096)
        return found.partition(b"\0")[0]
    return b""


def _descendants(pid: int) -> set[int]:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    return set()


def _become_the_daemon(plan: Plan, numbers: set[int]) -> None:
    code = 99
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.environ.update(plan.environment)
        output = os.open(plan.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.close(output)
        _filter(numbers)
        sys.argv = ["harmonizer", *plan.argv]
        from daemon.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _filter(numbers: set[int]) -> None:
    """Have the kernel stop us, for the tracer, at these calls only."""
    program = [struct.pack("<HBBI", 0x20, 0, 0, 0)]  # load the number
    wanted = sorted(numbers)
    for at, number in enumerate(wanted):
        program.append(struct.pack("<HBBI", 0x15, len(wanted) - at, 0, number))
    program.append(struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000))  # allow
    program.append(struct.pack("<HBBI", 0x06, 0, 0, 0x7FF00000))  # trace
    code = ctypes.create_string_buffer(b"".join(program))
    head = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(code))
    if _libc.prctl(38, 1, 0, 0, 0) or _libc.prctl(22, 2, ctypes.create_string_buffer(head), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    _serve()

"""One daemon a work folder: an flock that the kernel releases even after kill -9."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

_NAME = "daemon.lock"


class LockHeld(Exception):
    """Another daemon serves this folder; `pid` is its process, 0 if it did not say."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid

    def __str__(self) -> str:
        return f"another daemon (process {self.pid}) serves this folder"


class DaemonLock:
    """Held from `acquire` to `release`, or to the end of the process, whichever is first."""

    def __init__(self, work_dir: Path) -> None:
        self._path = work_dir / _NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our process number into the file.

        Raises:
            LockHeld: another live process has it.
            OSError: the work folder cannot be written.
        """
        if self._descriptor is not None:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise LockHeld(pid) from None
        except OSError:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would race with the next daemon."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> DaemonLock:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def daemon_pid(work_dir: Path) -> int | None:
    """The process that serves this work folder now; None when none does.

    0 means that one does and has not yet written its number.
    """
    try:
        descriptor = os.open(work_dir / _NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _pid_in(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else 0

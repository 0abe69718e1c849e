"""One daemon a work folder: an flock that the kernel releases even after kill -9.

The folder itself is locked, so that deleting the note beside it (`daemon.lock`, which only tells
who holds the lock) lets no second daemon in.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from daemon.errors import may_pass

_NAME = "daemon.lock"
_TRIES = 5
_TRY_PAUSE_S = 0.02


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
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(folder)
            self._note_process()
        except BlockingIOError:
            os.close(folder)
            raise LockHeld(_pid_in(self._path)) from None
        except OSError:
            os.close(folder)
            raise
        self._descriptor = folder

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would race with the next daemon."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._write("")
            os.close(self._descriptor)
            self._descriptor = None

    def _note_process(self) -> None:
        """A full disk costs the note, not the lock."""
        try:
            self._write(f"{os.getpid()}\n")
        except OSError as error:
            if not may_pass(error):
                raise

    def _write(self, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(self._path, flags, 0o600), "w") as note:
            note.write(text)

    def __enter__(self) -> DaemonLock:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def _lock(folder: int) -> None:
    """Lock at once, or be refused; who only asks whether a daemon is up is gone in a moment."""
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_TRY_PAUSE_S)
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)


def daemon_pid(work_dir: Path) -> int | None:
    """The process that serves this work folder now; None when none does.

    0 means that one does and has not yet written its number.
    """
    try:
        folder = os.open(work_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(work_dir / _NAME)
    else:
        return None
    finally:
        os.close(folder)


def _pid_in(note: Path) -> int:
    with contextlib.suppress(OSError):
        text = note.read_bytes()[:32].strip()
        return int(text) if text.isdigit() else 0
    return 0

"""Real mounts that nobody else sees: test and daemon live in a mount namespace of their own.

Needs root; where that, or mounting, is not to be had, the test is skipped and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def private_mounts() -> Iterator[None]:
    """Whatever is mounted inside is gone afterwards, and never seen outside."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    here, folder = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC), Path.cwd()
    if _libc.unshare(_CLONE_NEWNS) != 0:
        os.close(here)
        pytest.skip("a mount namespace of our own is not allowed here")
    try:
        run("mount", "--make-rprivate", "/")
        yield
    finally:
        assert _libc.setns(here, _CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        os.chdir(folder)
        os.close(here)


def tmpfs(target: Path, *options: str) -> None:
    """Mount an empty filesystem of its own at `target`."""
    target.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", *(["-o", ",".join(options)] if options else []), "tmpfs", target)


def ext4(image: Path, target: Path, megabytes: int = 16) -> None:
    """Mount an ext4 filesystem in a file at `target`; an image that is there already is kept."""
    if not image.exists():
        image.write_bytes(b"")
        os.truncate(image, megabytes * 1024 * 1024)
        run("mkfs.ext4", "-q", "-O", "^has_journal", image)
    target.mkdir(parents=True, exist_ok=True)
    run("mount", "-o", "loop", image, target)


def bind(source: Path, target: Path) -> None:
    """Show `source` at `target` too: one filesystem, two mounts."""
    target.mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", source, target)


def remount(target: Path, *options: str) -> None:
    """Change the options of what is mounted there."""
    run("mount", "-o", ",".join(("remount", *options)), target)


def unmount(target: Path) -> None:
    """Take it away; a scan that has it open at this very moment is waited for."""
    done = None
    for _ in range(100):
        done = subprocess.run(["umount", target], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.05)
    raise AssertionError(f"the daemon keeps it busy: {done and done.stderr}")


def run(*words: str | Path) -> None:
    """A command that must work, or else this machine cannot do what the test is about."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{words[0]} does not work here: {done.stderr.strip()}")

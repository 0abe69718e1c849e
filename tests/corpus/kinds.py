"""Hostile kinds: what lies in a folder and is no ordinary file, with what must become of it."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

# What must become of an entry: a code it is refused with, or how it stays in the inbox.
Fate = Literal["SYMLINK", "SPECIAL", "entered", "copied", "waits"]


class HostileKind(NamedTuple):
    """One entry. `make(path, secret)` makes it; `secret` is a file outside, out of reach."""

    label: str
    fate: Fate
    make: Callable[[Path, Path], None]


def hostile_kinds() -> list[HostileKind]:
    """What can be made here: devices and file flags need root and a filesystem that has them."""
    return [
        HostileKind("link-to-a-file", "SYMLINK", lambda path, secret: path.symlink_to(secret)),
        HostileKind("link-to-passwd", "SYMLINK", lambda path, _: path.symlink_to("/etc/passwd")),
        HostileKind("link-to-a-folder", "SYMLINK", lambda p, secret: p.symlink_to(secret.parent)),
        HostileKind("link-to-nothing", "SYMLINK", lambda path, _: path.symlink_to("nowhere")),
        HostileKind("link-to-itself", "SYMLINK", lambda path, _: path.symlink_to(path.name)),
        HostileKind("link-upwards", "SYMLINK", lambda path, _: path.symlink_to("..")),
        HostileKind("pipe", "SPECIAL", lambda path, _: os.mkfifo(path)),
        HostileKind("socket", "SPECIAL", lambda path, _: _socket(path)),
        *_devices(),
        HostileKind("folder", "entered", lambda path, _: path.mkdir()),
        HostileKind("hard-link", "copied", lambda path, secret: path.hardlink_to(secret)),
        *_flagged(),
    ]


def take_flags_off(folder: Path) -> None:
    """So that whatever the corpus made can be removed again."""
    if os.geteuid() == 0:
        subprocess.run(["chattr", "-R", "-i", "-a", folder], capture_output=True, check=False)


def _socket(path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        here = os.open(path.parent, os.O_RDONLY)
        try:  # a socket's whole path may have 107 bytes
            made.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def _devices() -> list[HostileKind]:
    if os.geteuid() != 0:
        return []
    return [
        HostileKind(
            "character-device",
            "SPECIAL",
            lambda path, _: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
        ),
        HostileKind(
            "endless-device",
            "SPECIAL",
            lambda path, _: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
        ),
        HostileKind(
            "block-device",
            "SPECIAL",
            lambda path, _: os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 250)),
        ),
    ]


def _flagged() -> list[HostileKind]:
    if os.geteuid() != 0:
        return []
    return [
        HostileKind("immutable", "waits", lambda path, secret: _flag(path, secret, "+i")),
        HostileKind("append-only", "waits", lambda path, secret: _flag(path, secret, "+a")),
    ]


def _flag(path: Path, secret: Path, flag: str) -> None:
    path.write_bytes(secret.read_bytes())
    subprocess.run(["chattr", flag, path], check=True, capture_output=True)

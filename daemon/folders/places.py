"""Which folder is really ours: tells a folder from the bare mount point it leaves when unmounted.

A folder that was once seen on a mount of its own is remembered as such. While that mount is away,
what bears the folder's path is some other directory: nothing is taken from it, nothing is put into
it, and it is said. It goes on by itself as soon as something is mounted there again. `--adopt` is
how a person says that the folder has moved and the old mount will not come back.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

_LOOK = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OCTAL = re.compile(rb"\\([0-7]{3})")  # how mountinfo writes spaces, tabs and newlines


class Place(NamedTuple):
    """Where a folder stood when it was looked at.

    `mount` is the mount point it lies on, when that is not the one of `work/`; else empty.
    """

    path: str
    mount: str
    device: int
    inode: int


class Places:
    """Remembers the mounts of our folders. `remember` keeps a text that is given back as `known`.

    One thread calls it. `marker` is the name of a file that must lie in the inbox, if set.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        *,
        marker: str | None = None,
        known: str | None = None,
        remember: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._folders = dict(folders)
        self.marker = marker
        self._known = _parsed(known)
        self._remember = remember

    def adopt(self) -> None:
        """Take every folder as it stands now for the right one."""
        self._known = {}
        self._note({name: _seen(path, self._work) for name, path in self._folders.items()})

    def settle_in(self, names: Iterable[str] | None = None) -> None:
        """Remember the folders that are not absent, so that their absence is noticed later."""
        found = {}
        for name in self._folders if names is None else names:
            if self.absence(name) is None:
                found[name] = _seen(self._folders[name], self._work)
        self._note(found)

    def absence(self, name: str) -> str | None:
        """Why the folder is not the one it should be, as a sentence; None when it is.

        A folder that does not exist is judged by where it would be made.
        """
        path, known = self._folders[name], self._known.get(name)
        if known is not None and known.mount and known.path == str(path):
            seen = _seen(path, self._work, nearest=True)
            is_same = seen is not None and (seen.device, seen.inode) == (known.device, known.inode)
            if not is_same and (seen is None or not _is_at(known.mount, path, self._work)):
                return (
                    f"the {name} folder is not mounted: it belongs on {known.mount}. Nothing is "
                    "taken from or put into the empty mount point; mount it again (or start once "
                    "with --adopt if the folder was moved for good)"
                )
        if name == "inbox" and self.marker and not os.path.lexists(path / self.marker):
            return (
                f"the inbox does not hold its marker {self.marker}, so it may not be the right "
                "one: nothing is taken from it until the marker is there"
            )
        return None

    @property
    def _work(self) -> Path:
        return self._folders["work"]

    def _note(self, found: Mapping[str, Place | None]) -> None:
        changed = {
            name: place
            for name, place in found.items()
            if place is not None and self._known.get(name) != place
        }
        if changed:
            self._known |= changed
            self._remember(json.dumps({k: list(v) for k, v in sorted(self._known.items())}))


def _parsed(text: str | None) -> dict[str, Place]:
    try:
        return {name: Place(*fields) for name, fields in json.loads(text or "{}").items()}
    except (ValueError, TypeError, AttributeError):  # from a newer program: learnt anew
        return {}


def _seen(path: Path, work: Path, *, nearest: bool = False) -> Place | None:
    """The folder as it stands; `nearest` looks at the nearest folder above if it is missing."""
    there = _existing(path) if nearest else path
    try:
        descriptor = os.open(there, _LOOK)
    except OSError:
        return None
    try:
        seen = os.fstat(descriptor)
        own = mount_point(descriptor)
    finally:
        os.close(descriptor)
    shared = _mount_of(work)
    return Place(str(path), "" if own == shared else own, seen.st_dev, seen.st_ino)


def _is_at(mount: str, path: Path, work: Path) -> bool:
    """True unless the folder now lies on a mount further up than the one it belongs on."""
    now = _mount_of(_existing(path))
    return now == mount or not _is_above(now, mount)


def _is_above(upper: str, lower: str) -> bool:
    return upper != lower and Path(lower).is_relative_to(upper or "/")


def _mount_of(path: Path) -> str:
    try:
        descriptor = os.open(path, _LOOK)
    except OSError:
        return ""
    try:
        return mount_point(descriptor)
    finally:
        os.close(descriptor)


def _existing(path: Path) -> Path:
    return next((place for place in (path, *path.parents) if place.is_dir()), Path("/"))


def mount_point(descriptor: int) -> str:
    """Where the mount that an open folder lies on is attached; empty when the kernel hides it."""
    try:
        info = Path(f"/proc/self/fdinfo/{descriptor}").read_bytes()
        number = re.search(rb"^mnt_id:\s*(\d+)", info, re.MULTILINE)
        if number is None:
            return ""
        for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
            fields = line.split(b" ", 5)
            if fields[0] == number[1]:
                return os.fsdecode(_OCTAL.sub(lambda o: bytes([int(o[1], 8)]), fields[4]))
    except OSError:
        pass
    return ""

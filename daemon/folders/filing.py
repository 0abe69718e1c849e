"""Files things away: results to the outbox, originals to the archive or the error folder.

Part of the spool: nothing else calls it. Everything is put together in a folder under work/jN and
appears elsewhere by one rename. Before that rename a note (a symlink, which is made in one step)
says where to, so that a repeated call knows "done, and perhaps taken away since" from "lost".
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from daemon.folders.files import (
    FileVanished,
    TargetTaken,
    fsync_dir,
    is_there,
    move_into_place,
    write_durably,
)
from daemon.folders.laidout import laid_out
from daemon.folders.syncs import Syncs
from daemon.inbox.names import SIDECARS

_LEADING_OUT = frozenset(("", ".", ".."))
_FROM_STAGING = ("rejects.csv", "report.html", "report.json")


class OutsideFolder(OSError):
    """A path leads out of the folder it belongs in: a bug, or a link put there by somebody."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Permissions of what we publish; folders can be entered by whoever may read the files."""

    file: int = 0o640
    group: int | None = None  # gid of what we publish; None: as the folder hands it down (setgid)

    @property
    def folder(self) -> int:
        """The file's mode with an x for every r, and for the owner in any case."""
        return self.file | ((self.file & 0o444) >> 2) | 0o700


def jailed(folder: Path, relative: str) -> Path:
    """`folder / relative`, after making sure that it is below `folder` and behind no link.

    Raises:
        OutsideFolder: it is not.
    """
    parts = relative.split("/")
    if not _LEADING_OUT.isdisjoint(parts):
        raise OutsideFolder("a path leads out of its folder")
    path = os.fspath(folder)
    for part in parts[:-1]:
        path = f"{path}/{part}"
        if os.path.islink(path):
            raise OutsideFolder("a link stands where one of the service's folders should be")
    return folder / relative


def make_folders(folder: Path, relative: str, modes: Modes) -> Path:
    """Make `folder / relative` and its parents, durably, as `modes` says; existing ones stay."""
    path = folder
    for part in relative.split("/"):
        path = jailed(path, part)
        with contextlib.suppress(FileNotFoundError):
            _require_folder(path)
            continue
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:  # made just now
            _require_folder(path)
        else:
            if modes.group is not None:
                os.chown(path, -1, modes.group)
            path.chmod(modes.folder | (path.stat().st_mode & stat.S_ISGID))
            fsync_dir(path.parent)
    return path


def _require_folder(path: Path) -> None:
    """Raises: OutsideFolder: something else bears its name; FileNotFoundError: nothing does."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        raise OutsideFolder("a file or link stands where a folder should be")


def publish(ready: Path, folder: Path, relative: str, modes: Modes, syncs: Syncs) -> str:
    """Move the folder `ready` to `folder / relative` by one rename. Idempotent.

    It is there for good at the caller's next stop.

    When the name is taken (by a job of a state database that is no more), `-2`, `-3` ... is
    added. Returns the path relative to `folder`; the same again after it was taken away.

    Raises:
        FileVanished: `ready` is gone and was never published.
        OutsideFolder, OSError
    """
    note = _note_of(ready)
    if not is_there(ready):
        if not os.path.islink(note):
            raise FileVanished("results are gone from the work folder")
        return os.readlink(note)
    above = relative.rpartition("/")[0]
    parent = make_folders(folder, above, modes) if above else folder
    share(ready, parent, modes.group)
    for number in count(1):
        name = relative if number == 1 else f"{relative}-{number}"
        target = jailed(folder, name)
        _write_note(note, name)
        try:
            move_into_place(ready, target, sync_source=False, syncs=syncs)
        except TargetTaken:
            continue
        return name
    raise AssertionError("unreachable")


def was_published(ready: Path) -> bool:
    """True when `publish` has moved this folder, whatever became of it since."""
    return os.path.islink(_note_of(ready)) and not is_there(ready)


def _note_of(ready: Path) -> str:
    return f"{ready}.goes-to"


def set_modes(ready: Path, modes: Modes) -> None:
    """Give everything in a folder the configured modes, before anybody can see it."""
    with os.scandir(ready) as listing:
        children = list(listing)
    for child in children:
        mode = child.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            set_modes(Path(child.path), modes)
        elif stat.S_ISREG(mode) and stat.S_IMODE(mode) != modes.file:  # as the worker made them
            os.chmod(child.path, modes.file)
    os.chmod(ready, modes.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What is written beside an original. `text` gets the names of the other files there."""

    document: Mapping[str, Any]
    document_name: str
    text: Callable[[Sequence[str]], str] | None = None
    staging: Path | None = None
    companions: Callable[[Path], Sequence[str]] = lambda shelf: ()  # puts them there, by name


def shelve(original: Path, shelf: Path, papers: Papers, modes: Modes, syncs: Syncs) -> None:
    """Put an original and its papers together in `shelf`. Idempotent; durable at the next stop.

    The original keeps its name, bytes, times, owner and mode. When somebody removed it from the
    work folder, the papers stand alone and say so.
    """
    is_new = _made(shelf)
    place = place_in(shelf, original.name)
    above = os.path.dirname(place)
    if above != os.fspath(shelf):
        _made(above)
        os.chmod(above, modes.folder)
    has_original = _brought(original, place)
    syncs.want(above, shelf)
    extra: dict[str, Any] = {} if has_original else {"original_missing": True}
    companions = papers.companions(shelf)
    if companions:
        extra["companions"] = list(companions)
    _write_papers(shelf, papers, extra, modes, syncs, is_new=is_new)
    os.chmod(shelf, modes.folder)


def _made(folder: Path | str) -> bool:
    """Make a folder of the job's; False when it was there."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return False
    return True


def _brought(original: Path, place: Path) -> bool:
    """Move the original on, within the job's private folder; False when it is in neither place."""
    if is_there(place):
        return True
    try:
        os.rename(original, place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def place_in(folder: Path, name: str) -> Path:
    """Where an original of that name lies in its archive or error folder."""
    if os.fsencode(name) in SIDECARS:  # it must not look like one of our papers
        return folder / "original" / name
    return folder / name


def _write_papers(
    shelf: Path,
    papers: Papers,
    extra: dict[str, Any],
    modes: Modes,
    syncs: Syncs,
    *,
    is_new: bool,
) -> None:
    may_be = _FROM_STAGING if papers.staging is not None or not is_new else ()
    beside = [name for name in may_be if _kept(papers.staging, shelf, name, modes)]
    if papers.text is not None:
        words = papers.text(beside).encode("utf-8", "backslashreplace")
        write_durably(f"{shelf}/REASON.txt", words, modes.file, syncs=syncs)
        beside.append("REASON.txt")
    document = {**papers.document, **extra}
    if beside:  # so that our own papers are known again, and an edited one is left alone
        document["sidecars"] = {
            name: sha256((shelf / name).read_bytes()).hexdigest() for name in beside
        }
    content = laid_out(document).encode()
    write_durably(f"{shelf}/{papers.document_name}", content, modes.file, syncs=syncs)


def _kept(staging: Path | None, shelf: Path, name: str, modes: Modes) -> bool:
    """Keep a file that the last attempt left, so that people see which rows were at fault."""
    place = shelf / name
    if staging is not None and (staging / name).is_file() and not (staging / name).is_symlink():
        (staging / name).replace(place)
        place.chmod(modes.file)
    return place.is_file()


def _write_note(note: str, name: str) -> None:
    try:
        os.symlink(name, note)
    except FileExistsError:
        if os.readlink(note) != name:
            os.unlink(note)
            os.symlink(name, note)


def share(ready: Path, parent: Path, group: int | None = None) -> None:
    """Give what was made elsewhere the configured group, or the one its new folder hands down."""
    seen = os.stat(parent)
    if group is None and seen.st_mode & stat.S_ISGID:
        group = seen.st_gid
    if group is None:
        return
    for path in (ready, *ready.rglob("*")):
        if path.lstat().st_gid != group:
            with contextlib.suppress(PermissionError):  # an original may belong to its sender
                os.chown(path, -1, group, follow_symlinks=False)

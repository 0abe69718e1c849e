"""Takes files out of the inbox. Part of the spool: nothing else calls it.

The rename is the claim: whoever's rename succeeds owns the file. Folders are opened one by one
without following links, so a sub-folder that is swapped for a link cannot lead us outside.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

from daemon.db.records import Fingerprint, JobRecord
from daemon.folders.companions import Noted
from daemon.folders.files import (
    FileChanged,
    FileVanished,
    copy_verified,
    fingerprint_of,
    is_there,
    rename_noreplace,
    sha256_of,
)
from daemon.folders.syncs import sync_all
from daemon.inbox.names import SIDECARS, error_folder_of

_CHANGED = "it changed just as it was taken; it must settle again"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Claiming:
    """One group of claims: renames first, then `make_durable` syncs every folder once."""

    def __init__(self, inbox: Path) -> None:
        self._inbox = inbox
        self._stack = ExitStack()
        self._folders: dict[bytes, int] = {}
        self._touched: set[str] = set()

    def __enter__(self) -> Claiming:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def take(self, job: JobRecord, target: Path) -> None:
        """Move the job's file from the inbox to `target`, whose folder exists. Idempotent.

        Raises:
            FileVanished: the inbox does not have it (any more).
            FileChanged: it is not as it was when it was found finished; it stays in the inbox.
            OSError: the system refuses.
        """
        folder_path, _, name = job.source.rpartition(b"/")
        try:
            folder = self._open(folder_path)
            seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            if not is_there(target):
                raise FileVanished from None
        else:
            is_it = fingerprint_of(seen) == job.fingerprint
            if not is_there(target):
                if not is_it:
                    raise FileChanged(_CHANGED)
                self._take(folder, name, seen, target)
            elif is_it:  # else the name is a newer file's by now
                self._finish(folder, name, seen, target)
        self._touch(target, 3)

    def bring(self, companion: Noted, folder: Path) -> None:
        """Take a companion of a claimed file into `folder`, or copy it. Idempotent.

        One that is gone or was changed since stays away: the file is ours with or without it.
        """
        target = folder / companion.name
        above, _, name = companion.source.rpartition(b"/")
        try:
            from_folder = self._open(above)
            seen = os.stat(name, dir_fd=from_folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        if fingerprint_of(seen) != companion.fingerprint or not stat.S_ISREG(seen.st_mode):
            return
        with contextlib.suppress(FileVanished, FileChanged):
            if companion.as_copy:
                copy_verified(self._path(from_folder, name), target)
            elif is_there(target):
                self._finish(from_folder, name, seen, target)
            else:
                self._take(from_folder, name, seen, target)
        self._touch(target, 2)

    def swallow_sidecars(self, source: bytes) -> None:
        """After the original of a returned error folder was taken: remove what we wrote beside it.

        Only what is still, byte for byte, as reason.json says we wrote it; a note somebody
        changed stays, and so does its folder.
        """
        named = error_folder_of(source)
        own = named or source.rpartition(b"/")[0]
        if not own:
            return
        with contextlib.suppress(OSError, ValueError, AttributeError):
            folder = self._open(own)
            unchanged = list(_unchanged_sidecars(folder))
            if named is None and b"REASON.txt" not in unchanged:
                return  # a sender's own folder; or a renamed one, known by its papers: they stay
            for name in unchanged:
                os.unlink(name, dir_fd=folder)
            named = own
        if named is not None:
            self._remove_empty_folders(source.rpartition(b"/")[0], own)

    def make_durable(self) -> None:
        """Sync the names in every touched folder."""
        for folder in self._folders.values():
            os.fsync(folder)
        for error in sync_all(self._touched).values():
            raise error

    def _touch(self, path: Path, levels: int) -> None:
        """The names in so many folders above `path` must be durable."""
        above = os.fspath(path)
        for _ in range(levels):
            above = os.path.dirname(above)
            self._touched.add(above)

    def _open(self, folder_path: bytes) -> int:
        """A descriptor of a folder below the inbox, opened without following any link."""
        known = self._folders.get(folder_path)
        if known is not None:
            return known
        if folder_path:
            above, _, name = folder_path.rpartition(b"/")
            if name in (b"", b".", b".."):
                raise FileNotFoundError(errno.ENOENT, "not a path below the inbox")
            descriptor = os.open(name, _FOLDER, dir_fd=self._open(above))
        else:
            descriptor = os.open(self._inbox, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stack.callback(os.close, descriptor)
        self._folders[folder_path] = descriptor
        return descriptor

    def _take(self, folder: int, name: bytes, seen: os.stat_result, target: Path) -> None:
        if stat.S_ISREG(seen.st_mode) and seen.st_nlink > 1:
            # Who holds the other name could change our copy later: take the bytes, not the inode.
            self._copy(folder, name, seen, target)
            return
        try:
            rename_noreplace(name, target, source_dir=folder)
        except FileNotFoundError:
            raise FileVanished from None
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(folder, name, seen, target)
            return
        written_meanwhile = fingerprint_of(os.lstat(target)) != fingerprint_of(seen)
        if written_meanwhile:
            with contextlib.suppress(FileExistsError):
                rename_noreplace(target, self._path(folder, name))
                raise FileChanged(_CHANGED)

    def _copy(self, folder: int, name: bytes, seen: os.stat_result, target: Path) -> None:
        source = self._path(folder, name)
        copy_verified(source, target)
        if _stat_or_none(folder, name, fingerprint_of(seen)) is None:
            target.unlink()
            raise FileChanged(_CHANGED)
        os.unlink(name, dir_fd=folder)

    def _finish(self, folder: int, name: bytes, seen: os.stat_result, target: Path) -> None:
        """A crash came between the copy and the removal: remove the source if it is the same."""
        ours = target.lstat()
        if (ours.st_dev, ours.st_ino) != (seen.st_dev, seen.st_ino):
            source = self._path(folder, name)
            if stat.S_ISREG(seen.st_mode) and sha256_of(source)[0] != sha256_of(target)[0]:
                return
        os.unlink(name, dir_fd=folder)

    def _path(self, folder: int, name: bytes) -> Path:
        """A path through the open folder, so that no link on the way is ever followed."""
        return Path(f"/proc/self/fd/{folder}") / os.fsdecode(name)

    def _remove_empty_folders(self, folder_path: bytes, top: bytes) -> None:
        """Remove the returned folder, from the file's own upwards, as far as it is empty."""
        while folder_path and (folder_path == top or folder_path.startswith(top + b"/")):
            above, _, name = folder_path.rpartition(b"/")
            try:
                os.rmdir(name, dir_fd=self._open(above))
            except OSError:
                return
            folder_path = above


def _stat_or_none(folder: int, name: bytes, expected: Fingerprint) -> os.stat_result | None:
    try:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return seen if fingerprint_of(seen) == expected else None


def _unchanged_sidecars(folder: int) -> Iterator[bytes]:
    """Names of our own files in an open error folder that nobody has edited, reason.json last."""
    written = json.loads(_read(folder, b"reason.json")).get("sidecars")
    if not isinstance(written, dict):
        return
    for name in sorted(SIDECARS):
        with contextlib.suppress(OSError):
            if written.get(name.decode()) == sha256(_read(folder, name)).hexdigest():
                yield name
    yield b"reason.json"


def _read(folder: int, name: bytes) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return stream.read()

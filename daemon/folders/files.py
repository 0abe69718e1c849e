"""Filesystem primitives that are durable on return and safe to repeat after a crash.

A move is a rename that never overwrites. Across filesystems and bind mounts it is a verified copy
beside the target, a rename, and only then the removal of the source; never the other way round.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path

from daemon.db.records import Fingerprint
from daemon.folders.linux import (
    ignore_lease_signals,
    is_there,
    read_lease,
    rename_noreplace,
)
from daemon.folders.syncs import Steps, Syncs
from daemon.inbox.settle import Lease

__all__ = [
    "FileChanged",
    "FileVanished",
    "Lease",
    "TargetTaken",
    "copy_verified",
    "fingerprint_of",
    "fsync_dir",
    "fsync_file",
    "ignore_lease_signals",
    "is_there",
    "move_into_place",
    "read_lease",
    "read_whole",
    "remove_private_tree",
    "remove_tree",
    "rename_noreplace",
    "sha256_durably",
    "sha256_of",
    "write_atomically",
    "write_durably",
]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_BLOCK_BYTES = 1024 * 1024
_LEAST_BLOCK_BYTES = 4096


class FileVanished(FileNotFoundError):
    """Neither the source nor the target of a move exists: somebody else moved or removed it."""

    def __init__(self, what: str = "the file is gone") -> None:
        super().__init__(errno.ENOENT, what)


class TargetTaken(FileExistsError):
    """Something else already bears the target's name; nothing was touched."""

    def __init__(self, what: str = "the name is taken by something else") -> None:
        super().__init__(errno.EEXIST, what)


class FileChanged(OSError):
    """The file was written to, or replaced, while it was read: what was read is worthless."""

    def __init__(self, what: str = "the file changed while it was read") -> None:
        super().__init__(errno.EBUSY, what)


def fingerprint_of(seen: os.stat_result) -> Fingerprint:
    """The part of a stat that shows a change of content."""
    return Fingerprint(
        device=seen.st_dev,
        inode=seen.st_ino,
        size_bytes=seen.st_size,
        mtime_ns=seen.st_mtime_ns,
    )


def fsync_dir(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, _DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    descriptor = os.open(path, _READ)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> tuple[str, Fingerprint]:
    """Hex SHA-256 of a regular file and the fingerprint it had all the while.

    Follows no link and never blocks on a pipe.

    Raises:
        FileVanished: it is not there.
        FileChanged: it was written to meanwhile.
        OSError: it is a link or special file (ELOOP, EINVAL), or cannot be read.
    """
    digest, seen = _hashed(path)
    return digest, fingerprint_of(seen)


def sha256_durably(path: Path, syncs: Syncs) -> Steps[tuple[str, Fingerprint]]:
    """The same, with a stop at which the bytes become durable, since clients rarely sync.

    Raises: as `sha256_of`; written to meanwhile means until after that stop.
    """
    digest, seen = _hashed(path)
    syncs.want(path)
    yield
    try:
        now = os.lstat(path)
    except FileNotFoundError:
        raise FileVanished from None
    if _stamp(now) != _stamp(seen):
        raise FileChanged
    return digest, fingerprint_of(seen)


def _hashed(path: Path) -> tuple[str, os.stat_result]:
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        raise FileVanished from None
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        digest, block_bytes = hashlib.sha256(), _block_for(before.st_size)
        while block := os.read(descriptor, block_bytes):
            digest.update(block)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if _stamp(before) != _stamp(after):
        raise FileChanged
    return digest.hexdigest(), after


def _block_for(size_bytes: int) -> int:
    """Small files are read at once, and no memory is made ready for more than they are."""
    return max(_LEAST_BLOCK_BYTES, min(_BLOCK_BYTES, size_bytes + 1))


def _stamp(seen: os.stat_result) -> tuple[int, ...]:
    """ctime too: it catches a same-size rewrite within one tick of a coarse mtime."""
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def read_whole(path: Path | str) -> bytes:
    """The content of a file, with as few system calls as it takes.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        blocks, block_bytes = [], _block_for(os.fstat(descriptor).st_size)
        while block := os.read(descriptor, block_bytes):
            blocks.append(block)
    finally:
        os.close(descriptor)
    return b"".join(blocks)


def write_durably(
    path: Path | str,
    content: bytes,
    mode: int = 0o640,
    group: int | None = None,
    *,
    syncs: Syncs | None = None,
) -> None:
    """Write a file in a folder that nobody else sees yet; its name is durable with the folder.

    With `syncs` it is durable at the caller's next stop, else on return.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        _write_all(descriptor, content)
        if group is not None:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, mode)
        if syncs is None:
            os.fsync(descriptor)
        else:
            syncs.want(path)
    finally:
        os.close(descriptor)


def write_atomically(
    path: Path, content: bytes, mode: int = 0o640, group: int | None = None
) -> None:
    """Replace a file of our own so that readers see the old or the new one, whole and durable."""
    partial = _partial_of(path)
    write_durably(partial, content, mode, group)
    partial.replace(path)
    fsync_dir(path.parent)


def move_into_place(
    source: Path, target: Path, *, sync_source: bool = True, syncs: Syncs | None = None
) -> None:
    """Move a file or directory so that `target` is either absent or whole. Idempotent, durable.

    A repeated call finishes whatever an earlier one left undone: the partial copy is replaced, a
    source that was copied already is removed. Name, mtime and mode are kept. Without `sync_source`
    the source's folder is not fsynced after a rename: fit for private folders, where a name that
    a power failure brings back is removed by the repeated call. With `syncs` the new name is
    durable at the caller's next stop, else on return.

    Raises:
        FileVanished: neither is there.
        TargetTaken: the target exists and is not a copy of the source.
        FileChanged: somebody wrote to the source while it was copied.
    """
    try:
        rename_noreplace(source, target)
    except OSError as error:
        _move_otherwise(source, target, error)
    if syncs is None:
        fsync_dir(target.parent)
    else:
        syncs.want(target.parent)
    if sync_source and source.parent.is_dir():
        fsync_dir(source.parent)


def _move_otherwise(source: Path, target: Path, refused: OSError) -> None:
    """What is left of a move that is not one rename, or that was made before."""
    if not is_there(source):
        if not is_there(target):
            raise FileVanished from None
    elif isinstance(refused, FileExistsError):
        _finish(source, target)
    elif refused.errno == errno.EXDEV:
        _move_across(source, target)
    else:  # perhaps the target's folder is missing
        raise refused


def copy_verified(source: Path, target: Path) -> None:
    """Copy a file or directory beside its place, compare every byte, then give it its name.

    Keeps mtime, mode and, where allowed, owner. The target's folder is fsynced.

    Raises: as `move_into_place`.
    """
    partial = _partial_of(target)
    remove_tree(partial)
    try:
        _copy(source, partial)
        rename_noreplace(partial, target)
    except FileExistsError:
        remove_tree(partial)
        if not _is_copy(source, target):
            raise TargetTaken from None
    except BaseException:
        with contextlib.suppress(OSError):  # no debris when the disk is full
            remove_tree(partial)
        raise
    fsync_dir(target.parent)


def _move_across(source: Path, target: Path) -> None:
    if is_there(target):
        _finish(source, target)
        return
    copy_verified(source, target)
    _discard(source)


def _finish(source: Path, target: Path) -> None:
    """Both names exist: remove the source if an interrupted move left it, else touch nothing."""
    if not _is_copy(source, target):
        raise TargetTaken
    fsync_dir(target.parent)
    _discard(source)


def _discard(source: Path) -> None:
    """Remove a source whose copy is durable. A directory loses its name first, so that a crash
    never leaves half of one under the name that a repeated move would look for.
    """
    if stat.S_ISDIR(source.lstat().st_mode):
        doomed = source.with_name(f".{source.name}.moved")
        remove_tree(doomed)
        source.rename(doomed)
        fsync_dir(source.parent)
        source = doomed
    remove_tree(source)
    fsync_dir(source.parent)


def remove_tree(path: Path) -> None:
    """Remove whatever bears the name, if anything does. Links are removed, never followed.

    Not even one that takes the place of a sub-folder meanwhile: some lie where others may write.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()


def remove_private_tree(path: str) -> None:
    """The same where nobody else may change anything, which takes half as many system calls."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            _remove_folder(path)
        else:
            os.unlink(path)


def _remove_folder(path: str) -> None:
    with os.scandir(path) as listing:
        entries = list(listing)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _remove_folder(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(path)


def _partial_of(target: Path) -> Path:
    """A hidden name beside the target, always the same and short however long the target's is."""
    tag = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    return target.with_name(f".harmonizer-{tag}.partial")


def _copy(source: Path, target: Path) -> None:
    seen = source.lstat()
    if stat.S_ISREG(seen.st_mode):
        _copy_file(source, target)
    elif stat.S_ISLNK(seen.st_mode):
        target.symlink_to(source.readlink())
    elif stat.S_ISDIR(seen.st_mode):
        target.mkdir(mode=0o700)
        for child in sorted(source.iterdir()):
            _copy(child, target / child.name)
        target.chmod(stat.S_IMODE(seen.st_mode))
        fsync_dir(target)
    else:
        os.mknod(target, seen.st_mode, seen.st_rdev)


def _copy_file(source: Path, target: Path) -> None:
    """Copy bytes, then read both again: what is on the new filesystem is what was read here."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(source, _READ), "rb", buffering=0) as reader:
        before = os.fstat(reader.fileno())
        digest = hashlib.sha256()
        with os.fdopen(os.open(target, flags, 0o600), "wb", buffering=0) as writer:
            while block := reader.read(_BLOCK_BYTES):
                digest.update(block)
                _write_all(writer.fileno(), block)
            _keep_attributes(writer.fileno(), before)
            os.fsync(writer.fileno())
        if _stamp(os.fstat(reader.fileno())) != _stamp(before):
            raise FileChanged
    if sha256_of(target)[0] != digest.hexdigest():
        raise OSError(errno.EIO, "the copy does not read back as it was written")


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


def _keep_attributes(descriptor: int, seen: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):  # only root may give a file away
        os.fchown(descriptor, seen.st_uid, seen.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(seen.st_mode) & 0o777)
    os.utime(descriptor, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _is_copy(source: Path, target: Path) -> bool:
    """True when both are the same file, or hold the same bytes under the same names."""
    one, two = source.lstat(), target.lstat()
    if stat.S_IFMT(one.st_mode) != stat.S_IFMT(two.st_mode):
        return False
    if (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino):
        return True
    if stat.S_ISREG(one.st_mode):
        return one.st_size == two.st_size and sha256_of(source)[0] == sha256_of(target)[0]
    if stat.S_ISLNK(one.st_mode):
        return source.readlink() == target.readlink()
    if stat.S_ISDIR(one.st_mode):
        names = sorted(child.name for child in source.iterdir())
        return names == sorted(child.name for child in target.iterdir()) and all(
            _is_copy(source / name, target / name) for name in names
        )
    return True

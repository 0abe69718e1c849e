"""Four things of the kernel that Python has no name for: a rename that never overwrites, a lease
that tells whether anybody writes, whether a filesystem lives on another machine, and a sync of a
whole filesystem.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import signal
import stat
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from daemon.inbox.settle import Candidate, Lease

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_F_SETSIG = 10  # <linux/fcntl.h>; fcntl.F_SETSIG exists only from Python 3.13 on some systems

_libc = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_libc, "renameat2", None)  # glibc >= 2.28
if _renameat2 is not None:
    _renameat2.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    ]

PathLike = Path | bytes | str


def is_there(path: PathLike) -> bool:
    """Whether something bears this name, be it a broken link.

    Unlike `os.path.lexists` it takes nothing for absent that only cannot be looked at now: what is
    taken for absent is left behind, and removed.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def rename_noreplace(source: PathLike, target: PathLike, *, source_dir: int | None = None) -> None:
    """Rename, atomically, and only if nothing has the target's name. Follows no link.

    `source_dir` is an open directory that `source` is relative to.

    Filesystems without RENAME_NOREPLACE (EINVAL: some FUSE and network mounts) get link + unlink,
    which refuses an existing name just as well; where there are no hard links either (and for
    directories) the name is looked at first, which leaves a gap of microseconds.

    Raises:
        FileExistsError: the name is taken.
        FileNotFoundError: the source, or the target's folder, is not there.
        OSError: EXDEV across filesystems and bind mounts, and whatever else the system says.
    """
    code = errno.ENOSYS
    if _renameat2 is not None:
        folder = _AT_FDCWD if source_dir is None else source_dir
        old, new = os.fsencode(source), os.fsencode(target)
        if _renameat2(folder, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS):
        _rename_without_flag(source, target, source_dir)
        return
    raise OSError(code, os.strerror(code), os.fsdecode(source), None, os.fsdecode(target))


def _rename_without_flag(source: PathLike, target: PathLike, source_dir: int | None) -> None:
    if not stat.S_ISDIR(os.stat(source, dir_fd=source_dir, follow_symlinks=False).st_mode):
        try:
            os.link(source, target, src_dir_fd=source_dir, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
                raise
        else:
            os.unlink(source, dir_fd=source_dir)
            return
    if is_there(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fsdecode(target))
    os.rename(source, target, src_dir_fd=source_dir)


class Rights(NamedTuple):
    """What this process may do in a folder."""

    may_change: bool
    is_sticky: bool
    owner_uid: int

    def may_take(self, uid: int) -> bool:
        """Whether it may move a file of the user `uid` out of it."""
        if not self.may_change:
            return False
        return not self.is_sticky or os.geteuid() in (0, uid, self.owner_uid)


def rights_in(folder: PathLike) -> Rights:
    """What this process may do in the folder.

    Raises:
        OSError: the folder cannot be looked at.
    """
    may_change = os.access(folder, os.W_OK | os.X_OK, effective_ids=True)
    if not may_change:
        return Rights(False, False, 0)
    seen = os.stat(folder)
    return Rights(True, bool(seen.st_mode & stat.S_ISVTX), seen.st_uid)


_FS_IOC_GETFLAGS = 0x80086601  # <linux/fs.h>
_PINNED_FLAGS = 0x10 | 0x20  # FS_IMMUTABLE_FL, FS_APPEND_FL


def is_pinned(path: PathLike) -> bool:
    """True when the file or folder is immutable or append-only (`chattr +i`, `+a`).

    Not even root can then rename it, or rename anything out of it. Special files are never opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        flags = bytearray(8)
        fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, flags)
        return bool(int.from_bytes(flags[:4], sys.byteorder) & _PINNED_FLAGS)
    except OSError:  # this filesystem has no such flags
        return False
    finally:
        os.close(descriptor)


def ignore_lease_signals() -> None:
    """Call once in a process that probes leases: a broken lease must not end it.

    `read_lease` already chooses a signal that is harmless by default; this covers kernels that
    fall back to SIGIO, whose default is to kill.
    """
    signal.signal(signal.SIGIO, signal.SIG_IGN)


def read_lease(path: PathLike, expected: Candidate | None = None) -> Lease:
    """Ask the kernel whether any program has the file open for writing. Takes microseconds.

    The lease is returned at once: held longer, it would make the next writer wait. The probe is
    itself an open and a close, so do not loop on it. With `expected`, a file that is not as it
    was scanned is CHANGED.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return Lease.GONE
    except PermissionError:
        return Lease.UNREADABLE
    except BlockingIOError:  # somebody holds a write lease (Samba's oplocks): he writes
        return Lease.BUSY
    except OSError as error:
        return Lease.CHANGED if error.errno in (errno.ELOOP, errno.ENXIO) else Lease.UNKNOWN
    try:
        return _lease_on(descriptor, expected)
    finally:
        os.close(descriptor)


def _lease_on(descriptor: int, expected: Candidate | None) -> Lease:
    seen = os.fstat(descriptor)
    if not stat.S_ISREG(seen.st_mode):
        return Lease.CHANGED
    if expected is not None:
        now = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)
        if now != expected[1:5]:
            return Lease.CHANGED
    if is_remote(descriptor, seen.st_dev):  # there a lease knows only this machine's programs
        return Lease.UNKNOWN
    try:
        fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGURG)  # ignored unless somebody asks for it
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return Lease.BUSY
    except OSError:  # EACCES: not our file and no CAP_LEASE; EINVAL: no leases here
        return Lease.UNKNOWN
    return Lease.FREE


# statfs(2) f_type of filesystems that other machines write to behind this kernel's back
_REMOTE = frozenset(
    {
        0x6969,  # NFS
        0xFF534D42,  # CIFS
        0xFE534D42,  # SMB2
        0x517B,  # SMB
        0x65735546,  # FUSE: sshfs, virtiofs, cloud drives
        0x01021997,  # 9p
        0x00C36400,  # Ceph
        0x5346414F,  # AFS
        0x6B414653,  # kAFS
        0x47504653,  # GPFS
        0x0BD00BD0,  # Lustre
        0x7461636F,  # OCFS2
        0x01161970,  # GFS2
        0x786F4256,  # VirtualBox shared folder
        0xBACBACBC,  # VMware shared folder
    }
)
_STATFS_BYTES = 256  # struct statfs is at most 120 bytes; its first word is f_type


def is_remote(descriptor: int, device: int) -> bool:
    """True when the open file lives on a network or shared-host filesystem."""
    known = _remote_devices.get(device)
    if known is None:
        buffer = ctypes.create_string_buffer(_STATFS_BYTES)
        if _libc.fstatfs(descriptor, buffer) != 0:
            return False
        known = (ctypes.c_ulong.from_buffer(buffer).value & 0xFFFFFFFF) in _REMOTE
        _remote_devices[device] = known
    return known


_remote_devices: dict[int, bool] = {}  # a mount gets its device number when it is made


# statfs(2) f_type of filesystems on this machine's disks, where syncfs(2) is cheap and reliable
_LOCAL = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010})  # ext2-4, XFS, btrfs, f2fs
_TELLS_ERRORS = (5, 8)  # since then syncfs(2) reports that something could not be written


def sync_filesystem(path: PathLike) -> bool:
    """Make all that was written to the filesystem of `path` durable, in one call.

    False when that cannot be relied on here, or something could not be written: then each file has
    to be synced, and asked, by itself.
    """
    if _kernel() < _TELLS_ERRORS or not hasattr(_libc, "syncfs"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        buffer = ctypes.create_string_buffer(_STATFS_BYTES)
        if _libc.fstatfs(descriptor, buffer) != 0:
            return False
        kind = ctypes.c_ulong.from_buffer(buffer).value & 0xFFFFFFFF
        return kind in _LOCAL and _libc.syncfs(descriptor) == 0
    finally:
        os.close(descriptor)


@cache
def _kernel() -> tuple[int, ...]:
    """Major and minor number of the running kernel."""
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])

"""Why a file in the inbox could not be taken, as far as rights and free space tell.

Asked before a job is opened, so that a folder we may not change fills no history. Part of the
spool. What is true of a folder or disk is asked once for all files of a turn.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple

from daemon.folders.files import FileChanged
from daemon.folders.linux import Rights, is_pinned, rights_in
from daemon.folders.space import free_bytes_of, lacks_room_for
from daemon.inbox.settle import Candidate

_PINNED = "marked immutable or append-only, so nothing can be moved"


class _Folder(NamedTuple):
    rights: Rights
    is_pinned: bool


class Refusing:
    """One turn's view; to be thrown away after it."""

    def __init__(self, inbox: Path, work: Path) -> None:
        self._inbox = os.fsencode(inbox) + b"/"
        self._work = work
        self._free_bytes: int | None = None
        self._folders: dict[bytes, _Folder] = {}

    def why(self, candidate: Candidate) -> str | None:
        """Why the candidate could not be taken; None when it could."""
        path = self._inbox + candidate.source
        try:
            folder = self._seen(path.rpartition(b"/")[0])
            if self._free_bytes is None:
                self._free_bytes = free_bytes_of(self._work)
        except OSError as error:
            return refusal(error)
        no_room = lacks_room_for(candidate.size_bytes, self._free_bytes)
        if no_room is not None:
            return no_room
        if not folder.rights.may_take(candidate.uid):
            return refusal(PermissionError(errno.EACCES, ""))
        if candidate.kind == "file" and is_pinned(path):
            return f"it is {_PINNED}; take that off (chattr -i -a) to have it taken"
        return (
            f"its folder is {_PINNED}; take that off (chattr -i -a)" if folder.is_pinned else None
        )

    def _seen(self, folder: bytes) -> _Folder:
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = _Folder(rights_in(folder), is_pinned(folder))
        return known


def refusal(error: OSError) -> str:
    """Why a file could not be taken, for people; names the setting to look at, never the file."""
    if isinstance(error, FileChanged):
        return str(error.strerror)
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            "the service may not take it out of its folder; give its user write permission there "
            "(and mind a sticky bit)"
        )
    return f"it cannot be taken: {error.strerror or type(error).__name__}"

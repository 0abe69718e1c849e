"""Which source a file in the inbox belongs to, and what that source promises. Pure.

A source is a sub-folder of the inbox that the settings name, with all below it; the deepest one
that fits counts. Files outside all of them belong to the sub-folder they were dropped in.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from daemon.settings import Source

_ANYONE = Source(path=".")
_KNOWN = 65_536  # folders; more than that are looked up anew


class Profiles:
    """The sources of the settings in force."""

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self._by_folder = {_as_folder(source.path): source for source in sources}
        self._of_folder = lru_cache(_KNOWN)(self._find)

    def of(self, source: bytes) -> Source:
        """What is promised for the file at `source`, its path relative to the inbox."""
        return self._of_folder(source.rpartition(b"/")[0])[1]

    def turn(self, source: bytes) -> bytes:
        """Whose turn it is when the file is taken: its source's folder, or the outermost one."""
        folder = source.rpartition(b"/")[0]
        named = self._of_folder(folder)[0]
        return folder.partition(b"/")[0] if named is None or not named else named

    def priority(self, turn: bytes) -> int:
        """The priority of whoever has that turn."""
        return self._of_folder(turn)[1].priority

    def _find(self, folder: bytes) -> tuple[bytes | None, Source]:
        while True:
            found = self._by_folder.get(folder)
            if found is not None:
                return folder, found
            if not folder:
                return None, _ANYONE
            folder = folder.rpartition(b"/")[0]


@lru_cache(8)
def profiles_of(sources: tuple[Source, ...]) -> Profiles:
    """The profiles of these settings; the same ones for the same settings."""
    return Profiles(sources)


def _as_folder(path: str) -> bytes:
    return b"" if path == "." else path.encode("utf-8", "surrogateescape")

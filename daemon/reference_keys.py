"""Keys of everything that was delivered, so that other tables can refer to it.

One folder a contract under work/state/keys, one file for each group of fields that is referred to
(`pipeline.references` has the format: digests, no values). A worker writes the keys of its delivery
beside its attempt; they are added here before the delivery is published. Keys are a set: adding
those of one job again changes nothing, so every step may be repeated after a crash.

A delivery writes the smallest of several files anew, and a larger one only when the smaller ones
are full: each is sixteen times as large as the one before, so a key is written a few times in its
life, however many there are. What readers have mapped stays theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from daemon.folders.files import fsync_dir
from pipeline.keyfiles import (
    DIGEST,
    Digests,
    distinct_digests,
    merge_keys,
    read_keys,
    write_keys,
)
from pipeline.references import RECENT_LEVELS, KnownKeys, recent_of

_FEW_KEYS = 4_096  # 64 KB, the smallest file
_TIMES = 16
_MANY_KEYS = 1_000_000  # 16 MB


def written_beside(staging: Path) -> Path:
    """Where an attempt with this staging folder writes the keys of its delivery."""
    return Path(f"{staging}.keys")


class ReferenceKeys:
    """Owns the key files. One thread calls it."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "keys"

    def folders(self) -> dict[str, str]:
        """Contract -> the folder of its keys, for those of which anything was delivered."""
        if not self._folder.is_dir():
            return {}
        return {path.name: str(path) for path in sorted(self._folder.iterdir()) if path.is_dir()}

    def take_in(self, contract: str, found: Sequence[Path]) -> None:
        """Add the keys that attempts wrote into the folders `found`; there may be none.

        Many deliveries at once cost no more writing than one.

        Raises:
            OSError: the disk refuses; calling again finishes what was left undone.
        """
        written: dict[str, list[Path]] = {}
        for folder in found:
            for name in _names_in(folder):
                if name.endswith(".keys"):
                    written.setdefault(name, []).append(folder / name)
        if not written:
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        own = self._folder / contract
        if not own.is_dir():
            own.mkdir(mode=0o700)
            fsync_dir(self._folder)
        for name, paths in written.items():
            _add(own / name, [read_keys(path) for path in paths])


def _names_in(folder: Path) -> list[str]:
    """What lies in a folder, in order; nothing when there is none."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(path.name for path in folder.iterdir())
    return []


def _add(path: Path, found: Sequence[Digests]) -> None:
    """Put new keys into the smallest file that has room for them and for all smaller ones."""
    recent = [_read(recent_of(path, level)) for level in range(RECENT_LEVELS)]
    old = _read(path)
    if sum(map(len, found)) > _MANY_KEYS:  # they are not looked up, nor held in memory
        merge_keys(path, [*found, *recent, old])
        _remove_recent(path, below=RECENT_LEVELS)
        return
    digests = distinct_digests(np.concatenate(found))
    new = digests[~KnownKeys([*recent, old]).has(digests)]
    if not len(new) and path.exists():
        return
    carried = [new]
    for level, held in enumerate(recent):
        carried.append(held)
        room = _FEW_KEYS * _TIMES**level
        if not path.exists() or (level and 2 * room > len(old)):
            break  # a file beside the last one would be no smaller
        if sum(map(len, carried)) <= room:
            write_keys(recent_of(path, level), *carried)
            _remove_recent(path, below=level)
            return
    merge_keys(path, [new, *recent, old])
    _remove_recent(path, below=RECENT_LEVELS)


def _remove_recent(path: Path, *, below: int) -> None:
    """Remove the smaller files, whose keys now stand in a larger one, in place before they go."""
    for level in range(below):
        recent_of(path, level).unlink(missing_ok=True)


def _read(path: Path) -> Digests:
    """The keys of a file; a damaged one is begun anew, since keys only ever help to check."""
    try:
        return read_keys(path)
    except ValueError:
        return np.empty(0, dtype=DIGEST)

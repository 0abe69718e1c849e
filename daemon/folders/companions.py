"""What came with a claimed file: its marker, checksum or manifest. Part of the spool.

A note in the job's folder names them before the file itself is taken, so that a repeated claim
brings them along. They lie in `companions/` beside `input/`, are compared with the file's bytes,
and are filed where it is filed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from daemon.db.records import Fingerprint
from daemon.folders.files import (
    TargetTaken,
    copy_verified,
    fsync_dir,
    is_there,
    move_into_place,
    read_whole,
    remove_tree,
    write_atomically,
    write_durably,
)
from daemon.folders.filing import place_in
from daemon.inbox.checksums import Digest, digests_in, meant_for, sidecar_of
from daemon.inbox.completeness import Along
from daemon.inbox.manifests import MOST_BYTES, entries_in

_NOTE = "companions.json"
_FOLDER = "companions"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_HUMAN = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512"}


class Noted(NamedTuple):
    """A companion that is to be taken: where it was, and what it was like."""

    source: bytes
    fingerprint: Fingerprint
    as_copy: bool

    @property
    def name(self) -> str:
        """Its own name, without its folders."""
        return os.fsdecode(self.source.rpartition(b"/")[2])


def note(job_dir: Path, along: Sequence[Along]) -> None:
    """Say durably what comes along, before anything is moved."""
    document = [
        {
            "source": os.fsdecode(one.companion.source),
            "as_copy": one.as_copy,
            "stamp": one.companion[1:5],  # device, inode, size, mtime
        }
        for one in along
    ]
    write_durably(job_dir / _NOTE, json.dumps(document).encode("ascii"), 0o600)
    (job_dir / _FOLDER).mkdir(mode=0o700, exist_ok=True)
    fsync_dir(job_dir)


def noted(job_dir: Path) -> list[Noted]:
    """What was to come along; nothing when nothing was, or the note is not readable any more."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        document = json.loads(read_whole(f"{job_dir}/{_NOTE}"))
        return [
            Noted(
                os.fsencode(one["source"]),
                Fingerprint(**dict(zip(_STAMP, one["stamp"], strict=True))),
                bool(one["as_copy"]),
            )
            for one in document
        ]
    return []


_STAMP = ("device", "inode", "size_bytes", "mtime_ns")


def folder_in(job_dir: Path) -> Path:
    """Where a job's companions lie."""
    return job_dir / _FOLDER


def companions_in(job_dir: Path) -> list[Path]:
    """The companions that are there, by name; half a copy is none."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        names = sorted(os.listdir(f"{job_dir}/{_FOLDER}"))
        folder = folder_in(job_dir)
        return [folder / name for name in names if not name.startswith(".harmonizer-")]
    return []


def flaw_in(job_dir: Path, source: bytes, original: Path, sha256: str) -> str | None:
    """In which way the original is not what its companions say; None when they agree, or tell
    nothing. `source` is its path in the inbox, `sha256` its hash.

    Raises:
        OSError: one of them cannot be read.
    """
    known = {"sha256": sha256}
    for path in companions_in(job_dir):
        for what, size_bytes, digest in _claims(path, source):
            if size_bytes is not None and original.stat().st_size != size_bytes:
                return f"its size is not the {size_bytes} bytes that its {what} says"
            if digest is None:
                continue
            if digest.algorithm not in known:
                known[digest.algorithm] = _hash(original, digest.algorithm)
            if known[digest.algorithm] != digest.hexdigest:
                return f"its {_HUMAN[digest.algorithm]} is not the one that its {what} says"
    return None


def _claims(path: Path, source: bytes) -> Iterator[tuple[str, int | None, Digest | None]]:
    """What one companion says about the file: size and digest, with what the companion is."""
    content, name = _read(path), source.rpartition(b"/")[2]
    digests = digests_in(content)
    if sidecar_of(os.fsencode(path.name)) == name:
        for digest in meant_for(digests, name):
            yield "checksum file", None, digest
        return
    for entry in entries_in(content):
        if (b"/" + source).endswith(b"/" + entry.path):
            yield "manifest", entry.size_bytes, entry.digest
    if len(digests) == 1 and digests[0].name is None:
        yield "marker", None, digests[0]


def _read(path: Path) -> bytes:
    with os.fdopen(os.open(path, _READ), "rb") as stream:
        seen = os.fstat(stream.fileno())
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > MOST_BYTES:
            return b""
        return stream.read()


def _hash(path: Path, algorithm: str) -> str:
    with os.fdopen(os.open(path, _READ), "rb", buffering=0) as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def shelve(job_dir: Path, shelf: Path) -> list[str]:
    """Put the companions beside their original on the shelf. Idempotent. Returns all their names.

    The shelf itself is synced by whoever fills it.
    """
    for path in companions_in(job_dir):
        place = place_in(shelf, path.name)
        if place.parent != shelf:
            place.parent.mkdir(mode=0o700, exist_ok=True)
        if not is_there(place):
            path.rename(place)  # both in the job's private folder
    names = {one.name for one in noted(job_dir)}
    return sorted(name for name in names if is_there(place_in(shelf, name)))


def copy_all(job_dir: Path, folder: Path) -> dict[str, tuple[int, int]]:
    """Show people copies of the companions beside the copy of their original.

    Returns their names, each with its size and mtime.
    """
    made: dict[str, tuple[int, int]] = {}
    for path in companions_in(job_dir):
        place = place_in(folder, path.name)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        copy_verified(path, place)
        seen = place.lstat()
        made[path.name] = (seen.st_size, seen.st_mtime_ns)
    return made


def take_back(folder: Path, names: Sequence[str], job_dir: Path, *, as_copy: bool) -> None:
    """Bring the companions of a finished job to the job that tries it again. Idempotent."""
    here = [name for name in names if _is_plain(name) and is_there(place_in(folder, name))]
    if not here:
        return
    along = folder_in(job_dir)
    along.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in here:
        place, target = place_in(folder, name), along / name
        if as_copy and not is_there(target):
            copy_verified(place, target)
        elif not as_copy:
            with contextlib.suppress(TargetTaken):
                move_into_place(place, target)
    stamps = [(name, (along / name).lstat()) for name in here]
    document = [
        {
            "source": name,
            "as_copy": False,
            "stamp": (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns),
        }
        for name, seen in stamps
    ]
    write_durably(job_dir / _NOTE, json.dumps(document).encode("ascii"), 0o600)
    fsync_dir(job_dir)


def is_right(content: bytes, name: bytes, original: Path, sha256: str | None) -> bool:
    """Whether a checksum file says of an original that is kept what is true.

    Raises:
        OSError: the original cannot be read.
    """
    digests = meant_for(digests_in(content), name)
    return bool(digests) and all(
        one.hexdigest
        == (sha256 if one.algorithm == "sha256" and sha256 else _hash(original, one.algorithm))
        for one in digests
    )


def add_to_papers(folder: Path, name: str, mode: int) -> None:
    """Note in the papers of a finished job that a companion was filed there later. Idempotent."""
    for papers in (folder / "job.json", folder / "reason.json"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            document = json.loads(papers.read_bytes())
            known = document.get("companions", [])
            if name not in known:
                document["companions"] = sorted([*known, name])
                text = json.dumps(document, indent=2, ensure_ascii=True) + "\n"
                write_atomically(papers, text.encode("ascii"), mode)


def give_back(job_dir: Path, inbox_folder: Path) -> None:
    """Return companions to the inbox folder they came from; where a newer one is, ours goes."""
    for path in companions_in(job_dir):
        try:
            move_into_place(path, inbox_folder / path.name)
        except FileExistsError:
            remove_tree(path)


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name

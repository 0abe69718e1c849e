"""Which files in the inbox belong together, and what is still missing. Pure.

Companions are no data: a marker says that its file is whole, a checksum file what its file's bytes
hash to, a manifest which files make a batch. A file is not taken before the companions its source
promises are there, and it takes them along.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from daemon.db.files import shown
from daemon.inbox.checksums import MOST_BYTES, digests_in, sidecar_of
from daemon.inbox.manifests import MOST_BYTES as MOST_MANIFEST_BYTES
from daemon.inbox.manifests import Entry, entries_in
from daemon.inbox.names import resubmitted_job
from daemon.inbox.profiles import Profiles
from daemon.inbox.settle import Candidate

Kind = Literal["marker", "checksum", "manifest"]
Rested = Callable[[bytes], bool]
"""Whether the entry of that name has been unchanged for its quiet period."""


class Companion(NamedTuple):
    """A file that is no data. `of`: the file it belongs to; a manifest has `entries` instead."""

    candidate: Candidate
    kind: Kind
    of: bytes = b""
    is_readable: bool = True
    entries: tuple[Entry, ...] = ()


class Along(NamedTuple):
    """A companion that is taken together with its file; as a copy when others need it still."""

    companion: Candidate
    as_copy: bool = False


class Company:
    """What one scan saw, put together. Made anew at every scan; `take` says what has left since.

    `peek` gives the content of a small file, None when it cannot be read now. `released` tells
    whether a manifest was complete before: its files may have been taken since.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        profiles: Profiles,
        peek: Callable[[Candidate], bytes | None],
        released: Callable[[Candidate], bool] = lambda manifest: False,
    ) -> None:
        self._here = {one.source: one for one in candidates}
        self._profiles = profiles
        self._peek = peek
        self._released = released
        self._by_stem: dict[bytes, list[bytes]] | None = None  # made when a marker asks for it
        self._leaving: set[bytes] = set()
        self._companions: dict[bytes, Companion] = {}
        self._checksums: dict[bytes, list[Companion]] = {}
        self._manifests: dict[bytes, list[Companion]] = {}  # by each file that they list
        for candidate in list(self._here.values()):
            companion = self._as_companion(candidate)
            if companion is not None:
                self._add(companion)

    def is_companion(self, source: bytes) -> bool:
        """True for what is not data."""
        return source in self._companions

    def why_not(self, source: bytes, rested: Rested) -> str | None:
        """Why the entry cannot be taken yet, in one sentence; None when it can."""
        if source in self._leaving:
            return "it goes with its file, which is taken just now"
        companion = self._companions.get(source)
        if companion is not None:
            return self._why_companion(companion, rested)
        reasons = self._missing(source, rested)
        return next(reasons, None)

    def is_vouched(self, source: bytes) -> bool:
        """True when the sender himself says so: by a marker, a checksum or a manifest."""
        checksums = self._checksums.get(source, ())
        return (
            bool(self._markers_of(source))
            or source in self._manifests
            or any(one.is_readable for one in checksums)
        )

    def file_missed(self, source: bytes) -> bytes | None:
        """The file that a checksum file is for, when it is not here; None for all else."""
        one = self._companions.get(source)
        if one is None or one.kind != "checksum" or not one.is_readable or one.of in self._here:
            return None
        return one.of

    def releases(self, source: bytes) -> list[Candidate]:
        """The manifests that let this file go, and have not let any go before."""
        found = [one.candidate for one in self._manifests.get(source, ())]
        return [manifest for manifest in found if not self._released(manifest)]

    def take(self, source: bytes) -> list[Along]:
        """What goes with a file that is taken now. The last file of a manifest takes it away."""
        along = [Along(one) for one in self._markers_of(source)]
        is_required = self._profiles.of(source).complete.checksum == "required"
        along += [
            Along(one.candidate)
            for one in self._checksums.get(source, ())
            if one.is_readable or is_required
        ]
        self._here.pop(source, None)
        for manifest in self._manifests.get(source, ()):
            others = any(path in self._here for path in _paths(manifest))
            along.append(Along(manifest.candidate, as_copy=others))
        for one in along:
            if not one.as_copy:
                self._here.pop(one.companion.source, None)
                self._leaving.add(one.companion.source)
        return along

    def _as_companion(self, candidate: Candidate) -> Companion | None:
        if candidate.kind != "file":
            return None
        folder, slash, name = candidate.source.rpartition(b"/")
        rule = self._profiles.of(candidate.source).complete
        if rule.manifest and _fits(rule.manifest, name):
            return self._as_manifest(candidate)
        if rule.marker:
            part = _inverse(rule.marker).fullmatch(name)
            if part is not None:
                of = self._marked(folder + slash, part[1], rule.marker, candidate.source)
                return Companion(candidate, "marker", of)
        base = sidecar_of(name) if rule.checksum != "ignored" else None
        if base is not None and candidate.size_bytes <= MOST_BYTES:
            return self._as_checksum(candidate, folder + slash + base)
        return None

    def _as_checksum(self, candidate: Candidate, of: bytes) -> Companion | None:
        """By its name, and by its content or the file beside it: never by its name alone."""
        is_readable = bool(digests_in(self._peek(candidate) or b""))
        if is_readable or of in self._here:
            return Companion(candidate, "checksum", of, is_readable)
        return None

    def _as_manifest(self, candidate: Candidate) -> Companion:
        content = b""
        if candidate.size_bytes <= MOST_MANIFEST_BYTES:
            content = self._peek(candidate) or b""
        entries = entries_in(content)
        return Companion(candidate, "manifest", b"", bool(entries), entries)

    def _marked(self, folder: bytes, part: bytes, marker: str, own: bytes) -> bytes:
        """The file a marker is for; the name it would have when it is not there."""
        if "{name}" in marker:
            return folder + part
        if self._by_stem is None:
            self._by_stem = {}
            for source in self._here:
                above, slash, name = source.rpartition(b"/")
                self._by_stem.setdefault(above + slash + _stem(name), []).append(source)
        found = [one for one in self._by_stem.get(folder + part, ()) if one != own]
        return found[0] if found else folder + part

    def _add(self, companion: Companion) -> None:
        self._companions[companion.candidate.source] = companion
        if companion.kind == "checksum":
            self._checksums.setdefault(companion.of, []).append(companion)
        for path in _paths(companion):
            self._manifests.setdefault(path, []).append(companion)

    def _missing(self, source: bytes, rested: Rested) -> Iterator[str]:
        """Every reason why a data file waits for another one."""
        rule = self._profiles.of(source).complete
        is_returned = resubmitted_job(source) is not None  # a person put it there
        if rule.marker and not is_returned:
            yield from self._missing_marker(source, rule.marker, rested)
        beside = self._checksums.get(source, [])
        for one in beside:
            if not rested(one.candidate.source):
                yield f"its checksum file {_shown(one)} is still being written"
            elif not one.is_readable and rule.checksum == "required":
                yield f"its checksum file {_shown(one)} holds no checksum that can be read"
        if rule.checksum == "required" and not beside and not is_returned:
            yield f"its checksum file has not come ({_shown(source)}.sha256 or .md5)"
        manifests = self._manifests.get(source, [])
        for one in manifests:
            reason = self._why_manifest(one, rested)
            if reason is not None:
                yield reason
        if rule.manifest and not manifests and not is_returned:
            yield f"no manifest ({rule.manifest}) lists it yet"

    def _missing_marker(self, source: bytes, marker: str, rested: Rested) -> Iterator[str]:
        wanted = _marker_of(source, marker)
        if wanted not in self._here:
            yield f"its marker {_shown(wanted)} has not come"
        elif not rested(wanted):
            yield f"its marker {_shown(wanted)} is still being written"

    def _why_companion(self, one: Companion, rested: Rested) -> str | None:
        if one.kind == "manifest":
            return self._why_manifest(one, rested) or "it lists files that are taken just now"
        if one.kind == "checksum":
            rule = self._profiles.of(one.of).complete
            if not one.is_readable and rule.checksum != "required" and rested(one.candidate.source):
                return None  # only its name is that of a checksum file
            what = "it holds the checksum of"
        else:
            what = "it marks as whole"
        goes = "and goes with it" if one.of in self._here else "which is not here"
        return f"{what} {_shown(one.of)}, {goes}"

    def _why_manifest(self, manifest: Companion, rested: Rested) -> str | None:
        """What of a batch is missing; None when all of it is there."""
        name = _shown(manifest)
        if not manifest.is_readable:
            return f"the manifest {name} cannot be read as a list of files"
        if not rested(manifest.candidate.source):
            return f"the manifest {name} is still being written"
        if self._released(manifest.candidate):
            return None
        paths = _paths(manifest)
        missing = [path for path in paths if path not in self._here]
        if missing:
            first = _shown(missing[0])
            which = (
                f"{first} is" if len(missing) == 1 else f"{first} and {len(missing) - 1} more are"
            )
            there = len(paths) - len(missing)
            return f"{there} of {len(paths)} files of {name} are there; {which} missing"
        for path, entry in zip(paths, manifest.entries, strict=True):
            size = self._here[path].size_bytes
            if entry.size_bytes is not None and size != entry.size_bytes:
                return f"{_shown(path)} has {size} of the {entry.size_bytes} bytes that {name} says"
            if not rested(path):
                return f"{_shown(path)}, which {name} lists, is still being written"
        return None

    def _markers_of(self, source: bytes) -> list[Candidate]:
        marker = self._profiles.of(source).complete.marker
        found = self._companions.get(_marker_of(source, marker)) if marker else None
        return [found.candidate] if found is not None else []


def _paths(manifest: Companion) -> list[bytes]:
    """The files a manifest lists, relative to the inbox."""
    folder, slash, _ = manifest.candidate.source.rpartition(b"/")
    return [folder + slash + entry.path for entry in manifest.entries]


def _marker_of(source: bytes, marker: str) -> bytes:
    folder, slash, name = source.rpartition(b"/")
    before, key, after = marker.partition("{name}" if "{name}" in marker else "{stem}")
    part = name if key == "{name}" else _stem(name)
    return folder + slash + before.encode() + part + after.encode()


def _stem(name: bytes) -> bytes:
    return name.rpartition(b".")[0] or name


@lru_cache(64)
def _inverse(marker: str) -> re.Pattern[bytes]:
    before, _, after = marker.partition("{name}" if "{name}" in marker else "{stem}")
    return re.compile(re.escape(before.encode()) + b"(.+)" + re.escape(after.encode()), re.DOTALL)


@lru_cache(64)
def _pattern(pattern: str) -> re.Pattern[bytes]:
    return re.compile(fnmatch.translate(pattern.lower()).encode("utf-8", "surrogateescape"))


def _fits(pattern: str, name: bytes) -> bool:
    return _pattern(pattern).match(name.lower()) is not None


def _shown(what: bytes | Companion) -> str:
    """The last part of a name, for people."""
    source = what if isinstance(what, bytes) else what.candidate.source
    return shown(source.rpartition(b"/")[2])

"""Decides when a dropped file is finished. Pure: the caller looks, probes and supplies the clock.

Three kinds of evidence count: the file has not changed for the quiet period; the kernel grants a
read lease, so no program has it open for writing; it appeared whole, by a rename. All times are
seconds of a monotonic clock, so a stepped system clock or a sender's odd mtime changes nothing.
"""

from __future__ import annotations

import heapq
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import count
from operator import attrgetter, itemgetter
from typing import Literal, NamedTuple

from daemon.db.files import Fingerprint, Owner

_BUSY_RETRY_S = 1.0  # a probe costs microseconds, but each is itself an event in the inbox
_BUSY_RETRY_CAP_S = 5.0
_UNREADABLE_RETRY_S = 15.0
_HINT_LOOKS = 2  # a rename seen while a scan runs is not in that scan; it may be in the next
_BLOCK_BYTES = 4096  # smaller files may live in their inode and own no block at all


class Lease(Enum):
    """What the kernel says about programs that have a file open for writing."""

    FREE = "free"  # none has
    BUSY = "busy"  # at least one has
    UNKNOWN = "unknown"  # it cannot say: network mount, missing rights, leases switched off
    UNREADABLE = "unreadable"  # we may not even open it
    CHANGED = "changed"  # it is not the file that was scanned any more
    GONE = "gone"


class Candidate(NamedTuple):
    """One entry of the inbox that is not ours yet, as one `lstat` saw it.

    `source` is relative to the inbox. A tuple, because a scan makes tens of thousands.
    """

    source: bytes
    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    mode_bits: int
    uid: int
    gid: int
    links: int
    blocks: int  # of 512 bytes, as stat(2) counts them

    @property
    def fingerprint(self) -> Fingerprint:
        """What must stay the same for the file to count as untouched."""
        return Fingerprint(
            device=self.device,
            inode=self.inode,
            size_bytes=self.size_bytes,
            mtime_ns=self.mtime_ns,
        )

    @property
    def owner(self) -> Owner:
        """Who dropped it, with which permissions."""
        return Owner(uid=self.uid, gid=self.gid, mode=stat.S_IMODE(self.mode_bits))

    @property
    def kind(self) -> Literal["file", "symlink", "special"]:
        """Links and special files are candidates too: they are refused where people see it."""
        if stat.S_ISREG(self.mode_bits):
            return "file"
        return "symlink" if stat.S_ISLNK(self.mode_bits) else "special"

    @property
    def allocated_bytes(self) -> int:
        """Disk space the file really has; less than its size while a writer preallocates."""
        return self.blocks * 512

    @property
    def has_holes(self) -> bool:
        """True when part of the content was never written (or the filesystem compresses)."""
        return self.size_bytes >= _BLOCK_BYTES and self.blocks * 512 < self.size_bytes


class Readiness(NamedTuple):
    """The verdict on one candidate. When not ready, look again at `next_look_s`."""

    ready: bool
    reason: str
    since_s: float
    next_look_s: float


class Waiting(NamedTuple):
    """A candidate that is still in the inbox: why, and since when it has been seen."""

    source: bytes
    reason: str
    since_s: float
    size_bytes: int


@dataclass(slots=True, eq=False)
class _Watched:
    candidate: Candidate
    first_seen_s: float
    changed_s: float
    reason: str = ""
    renamed: bool = False
    changes: int = 0
    busy_looks: int = 0
    look_at_s: float = 0.0


_BY_AGE = itemgetter(4, 0)  # mtime, then name: only orders what one look found new together
_TURN = "unchanged long enough; it is looked at when a worker is free, first come first served"
_READY = "finished; it is taken as soon as a worker is free"


class SettleTracker:
    """Holds every candidate until it counts as finished. Not thread-safe: one thread calls it.

    The periodic scan is what makes it correct; hints from the watcher only make it faster.
    """

    def __init__(
        self,
        *,
        quiet_period_s: float,
        no_lease_quiet_period_s: float,
        empty_grace_s: float,
        own_quiet_s: Callable[[bytes], float | None] = lambda source: None,
    ) -> None:
        """`own_quiet_s` gives the quiet period of a source that has one of its own."""
        self._usual_quiet_s = quiet_period_s
        self._own_quiet_s = own_quiet_s
        self._no_lease_s = no_lease_quiet_period_s
        self._empty_s = empty_grace_s
        self._watched: dict[bytes, _Watched] = {}
        self._ripe: dict[bytes, _Watched] = {}  # in the order they became due
        self._growing: list[tuple[float, int, _Watched]] = []  # a heap by time of the next look
        self._turn = count()
        self._hints: dict[bytes, int] = {}
        self._held: set[bytes] = set()
        self._restless_until_s = float("-inf")

    def __len__(self) -> int:
        return len(self._watched)

    def __contains__(self, source: object) -> bool:
        return source in self._watched

    def observe(
        self, candidates: Iterable[Candidate], now_s: float, *, is_news: bool = True
    ) -> None:
        """Replace what is known by a whole scan of the inbox.

        is_news: off when it saw the very same as the scan before; then nothing has come that a
        held candidate may wait for.

        Files are due in the order they were first seen. New inode, size or mtime starts the clock
        anew; chmod and the like do not. A file that was renamed keeps its clock.
        """
        known, watched = self._watched, {}
        new: list[Candidate] = []
        for candidate in candidates:
            entry = known.get(candidate[0])
            if entry is None:
                new.append(candidate)
                continue
            watched[candidate[0]] = entry
            old = entry.candidate
            if old[1:5] != candidate[1:5]:  # device, inode, size, mtime
                self._changed(entry, candidate, now_s)
            elif old is not candidate:
                entry.candidate = candidate
        self._watched = watched
        if len(known) > len(watched) or new:
            gone = [entry for source, entry in known.items() if source not in watched]
            for entry in gone:
                self._ripe.pop(entry.candidate.source, None)
                self._held.discard(entry.candidate.source)
                entry.look_at_s = -1.0  # what the heap still holds of it no longer counts
            self._adopt(new, gone, now_s)
        self._take_hints(now_s)
        if is_news:
            self._reconsider(now_s)
        self._ripen(now_s)

    def arrived_by_rename(self, source: bytes) -> None:
        """The watcher saw this name appear by a rename: the file was whole from the start."""
        self._hints[source] = _HINT_LOOKS
        entry = self._watched.get(source)
        if entry is not None and entry.busy_looks:
            self._look_at(entry, entry.changed_s)

    def due(self, now_s: float) -> list[Candidate]:
        """Candidates worth a lease probe now, those that were due first first."""
        self._ripen(now_s)
        return [entry.candidate for entry in self._ripe.values()]

    def decide(self, candidate: Candidate, lease: Lease, now_s: float) -> Readiness:
        """Judge a due candidate by what the kernel said of it just now."""
        entry = self._watched.get(candidate.source)
        if entry is None or lease is Lease.GONE:
            later_s = now_s + self._usual_quiet_s
            return Readiness(False, "no longer in the inbox", now_s, later_s)
        if lease is Lease.CHANGED or entry.candidate[1:5] != candidate[1:5]:
            self._changed(entry, entry.candidate, now_s)
            return self._readiness(entry)
        wait_s, reason = self._verdict(entry, lease, now_s)
        if wait_s <= 0:
            entry.reason = _READY
            return Readiness(True, reason, entry.first_seen_s, now_s)
        entry.reason = reason
        self._look_at(entry, now_s + wait_s)
        return self._readiness(entry)

    def hold(self, source: bytes, reason: str, until_s: float = float("inf")) -> None:
        """A candidate that is finished must wait for something else: the end of its content, or
        another file. It is due again at `until_s`, and after every observation of something new.
        """
        entry = self._watched.get(source)
        if entry is not None:
            entry.reason = reason
            self._held.add(source)
            self._look_at(entry, until_s)

    def rested(self, source: bytes, now_s: float) -> bool:
        """True when the candidate has not changed for its quiet period; whoever has it open."""
        entry = self._watched.get(source)
        return entry is not None and now_s >= entry.changed_s + self._quiet_s(entry)

    def all_rest_at_s(self, now_s: float) -> float:
        """When every candidate will have been quiet for its period; infinity when they have."""
        return self._restless_until_s if self._restless_until_s > now_s else float("inf")

    def first_seen_s(self, source: bytes) -> float | None:
        """Since when the candidate has been seen, under any name; None for an unknown one."""
        entry = self._watched.get(source)
        return None if entry is None else entry.first_seen_s

    def changed_s(self, source: bytes) -> float | None:
        """When the candidate was seen to change last."""
        entry = self._watched.get(source)
        return None if entry is None else entry.changed_s

    @property
    def held(self) -> int:
        """How many candidates wait for something else than themselves."""
        return len(self._held)

    def forget(self, source: bytes) -> None:
        """The file was taken; if something by that name is seen again, it is a new arrival."""
        entry = self._watched.pop(source, None)
        self._ripe.pop(source, None)
        self._held.discard(source)
        if entry is not None:
            entry.look_at_s = -1.0

    def waiting(self, now_s: float, most: int | None = None) -> list[Waiting]:
        """Candidates with the reason each was not taken yet, the `most` oldest, oldest first."""
        entries: Iterable[_Watched] = self._watched.values()
        by_age = attrgetter("first_seen_s")
        if most is not None:
            entries = heapq.nsmallest(most, entries, key=by_age)
        return [self._waiting(entry, now_s) for entry in sorted(entries, key=by_age)]

    def why(self, source: bytes, now_s: float) -> Waiting | None:
        """The same for one candidate; None when there is none by that name."""
        entry = self._watched.get(source)
        return None if entry is None else self._waiting(entry, now_s)

    def next_look_s(self, now_s: float) -> float:
        """When a candidate that is not due yet will be; infinity when none is.

        What is due already does not count, so a caller that is paused or has no free worker can
        sleep: it knows of them.
        """
        growing = self._growing
        while growing and growing[0][2].look_at_s != growing[0][0]:
            heapq.heappop(growing)
        return growing[0][0] if growing else float("inf")

    def _ripen(self, now_s: float) -> None:
        growing = self._growing
        while growing and growing[0][0] <= now_s:
            look_at_s, _, entry = heapq.heappop(growing)
            if entry.look_at_s == look_at_s:
                self._ripe.setdefault(entry.candidate.source, entry)

    def _verdict(self, entry: _Watched, lease: Lease, now_s: float) -> tuple[float, str]:
        """Seconds still to wait (0: ready), and why."""
        candidate, quiet_s, wanted_s = (
            entry.candidate,
            now_s - entry.changed_s,
            self._quiet_s(entry),
        )
        if candidate.kind != "file":
            return wanted_s - quiet_s, "a link or special file; it will be refused"
        if lease is Lease.BUSY:
            pause_s = min(_BUSY_RETRY_CAP_S, _BUSY_RETRY_S * 2**entry.busy_looks)
            entry.busy_looks = min(entry.busy_looks + 1, 8)
            return pause_s, "a program has it open for writing"
        entry.busy_looks = 0
        if lease is Lease.UNREADABLE:
            return _UNREADABLE_RETRY_S, (
                f"the service may not read it (UNREADABLE: owner uid {candidate.uid}, "
                f"mode {candidate.owner.mode:04o}); give its user read permission"
            )
        if candidate.size_bytes == 0:
            return max(wanted_s, self._empty_s) - quiet_s, "it is empty; a sender may still fill it"
        no_lease_s = max(wanted_s, self._no_lease_s)
        if candidate.has_holes:
            return no_lease_s - quiet_s, "part of it was never written; a sender may fill it"
        if lease is Lease.UNKNOWN:
            return no_lease_s - quiet_s, (
                "this filesystem cannot tell whether a program still writes; "
                f"it must be unchanged for {no_lease_s:g} s"
            )
        return (0.0 if entry.renamed else wanted_s - quiet_s), self._quiet_reason(entry)

    def _changed(self, entry: _Watched, candidate: Candidate, now_s: float) -> None:
        self._ripe.pop(candidate.source, None)
        self._held.discard(candidate.source)
        entry.candidate = candidate
        entry.changed_s = now_s
        entry.changes += 1
        entry.renamed = False
        entry.busy_looks = 0
        entry.reason = ""
        self._settles_at(entry, now_s + self._quiet_s(entry))

    def _settles_at(self, entry: _Watched, at_s: float) -> None:
        self._restless_until_s = max(self._restless_until_s, at_s)
        self._look_at(entry, at_s)

    def _adopt(self, new: list[Candidate], gone: list[_Watched], now_s: float) -> None:
        """Start a clock for each new name, unless the same file had another name a moment ago."""
        before = {entry.candidate[1:5]: entry for entry in gone}
        new.sort(key=_BY_AGE)
        for candidate in new:
            old = before.pop(candidate[1:5], None) if before else None
            entry = _Watched(candidate, now_s, now_s)
            if old is not None:
                entry.first_seen_s, entry.changed_s = old.first_seen_s, old.changed_s
                entry.renamed = old.renamed
            self._watched[candidate[0]] = entry
            self._settles_at(entry, entry.changed_s + self._quiet_s(entry))

    def _take_hints(self, now_s: float) -> None:
        for source, looks in list(self._hints.items()):
            entry = self._watched.get(source)
            if entry is not None:
                entry.renamed = True
                self._look_at(entry, min(now_s, entry.changed_s))
            if entry is not None or looks <= 1:
                del self._hints[source]
            else:
                self._hints[source] = looks - 1

    def _reconsider(self, now_s: float) -> None:
        """What others wait for may have come."""
        for source in self._held:
            self._look_at(self._watched[source], now_s)
        self._held.clear()

    def _look_at(self, entry: _Watched, at_s: float) -> None:
        self._ripe.pop(entry.candidate.source, None)
        entry.look_at_s = at_s
        if at_s != float("inf"):
            heapq.heappush(self._growing, (at_s, next(self._turn), entry))

    def _readiness(self, entry: _Watched) -> Readiness:
        reason = entry.reason or self._quiet_reason(entry)
        return Readiness(False, reason, entry.first_seen_s, entry.look_at_s)

    def _waiting(self, entry: _Watched, now_s: float) -> Waiting:
        if entry.reason:
            reason = entry.reason
        elif entry.candidate.source in self._ripe:
            reason = _TURN
        elif entry.changes < 2:
            reason = self._quiet_reason(entry)
        else:
            reason = self._changing_reason(entry, now_s)
        size_bytes = entry.candidate.size_bytes
        return Waiting(entry.candidate.source, reason, entry.first_seen_s, size_bytes)

    def _quiet_s(self, entry: _Watched) -> float:
        own_s = self._own_quiet_s(entry.candidate.source)
        return self._usual_quiet_s if own_s is None else own_s

    def _quiet_reason(self, entry: _Watched) -> str:
        return f"it must be unchanged for {self._quiet_s(entry):g} s"

    def _changing_reason(self, entry: _Watched, now_s: float) -> str:
        ago_s = max(0.0, now_s - entry.changed_s)
        return f"it keeps changing, last {ago_s:.0f} s ago; {self._quiet_reason(entry)}"

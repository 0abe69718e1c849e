"""What must be true of a file beyond its being at rest: others have come, its end is there.

Asked about each candidate before it is claimed. Whoever is not let through waits, with a reason;
after its limit it is taken to be refused, with a code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from daemon.db.errors import JobUnknown
from daemon.folders.spool import TakesLong
from daemon.inbox.completeness import Along, Company
from daemon.inbox.latecomers import Latecomers
from daemon.inbox.profiles import Profiles
from daemon.inbox.settle import Candidate, SettleTracker
from daemon.shell import Shell
from daemon.states import JobState
from pipeline.errors import FileCode

_PROBED_AT_ONCE_BYTES = 8 * 1024 * 1024  # larger files are looked at beside the loop
_LOOK_AGAIN_S = 1.0
_SOON_S = 0.02
_MOST_KNOWN = 100_000
_RELEASED = "manifest {} {} {} {}"  # key in the store: this manifest was complete once


class Flaw(NamedTuple):
    """Why a file is only taken to be refused. `note` holds neither names nor values."""

    code: FileCode
    note: str


class Answer(NamedTuple):
    """Let through when there is no `reason`, perhaps with a flaw. Else to be asked at `until_s`."""

    reason: str | None = None
    until_s: float = float("inf")
    flaw: Flaw | None = None


class _Looking(NamedTuple):
    """An end that is being looked at in another thread."""

    found: Future[str | None]
    since_s: float

    def ask_again_s(self, now_s: float) -> float:
        """After as long again as it has taken already: soon at first."""
        return now_s + min(_LOOK_AGAIN_S, max(_SOON_S, now_s - self.since_s))


class Gate:
    """One scan's view of what belongs together, and what is known of the ends of files."""

    def __init__(self, shell: Shell, profiles: Profiles, aside: ThreadPoolExecutor) -> None:
        self._shell = shell
        self._profiles = profiles
        self._aside = aside
        self._late = Latecomers(shell)
        self._company = Company((), profiles, lambda candidate: None)
        self._contents: dict[tuple[int, ...], bytes | None] = {}
        self._ends: dict[tuple[int, ...], _Looking | str | None] = {}
        self._complete: dict[tuple[int, ...], bool] = {}
        self._known: dict[tuple[int, int], int | None] = {}
        self.wait_for_others: set[bytes] = set()  # and are never given up
        self.is_unsure = False  # something could not be read that may be read the next time

    def look(self, candidates: Sequence[Candidate]) -> None:
        """Put together what a scan saw."""
        self.wait_for_others.clear()
        self.is_unsure = False
        self._known.clear()
        here = {one[1:5] for one in candidates}
        for known in (self._contents, self._ends, self._complete):
            if len(known) > _MOST_KNOWN or len(known) > 2 * len(here) + 100:
                for stamp in [stamp for stamp in known if stamp not in here]:
                    del known[stamp]
        self._company = Company(candidates, self._profiles, self._content, self._was_complete)

    def others(self, candidate: Candidate, settle: SettleTracker, now_s: float) -> Answer:
        """Whether everything has come that must come with a candidate."""
        reason = self._company.why_not(
            candidate.source, lambda source: settle.rested(source, now_s)
        )
        if reason is None:
            return Answer()
        missed = self._company.file_missed(candidate.source)
        if missed is not None and settle.rested(candidate.source, now_s):
            reason = self._late.file(candidate, missed, self._content(candidate)) or reason
        again_s = settle.all_rest_at_s(now_s)  # whoever comes later is news, and asks everybody
        if missed is not None:
            again_s = min(again_s, now_s + _LOOK_AGAIN_S * 15)
        return self._waits_for_others(candidate, reason, settle, now_s, again_s)

    def end(self, candidate: Candidate, settle: SettleTracker, now_s: float) -> Answer:
        """Whether a candidate that is at rest has its end."""
        if candidate.kind != "file" or not candidate.size_bytes:
            return Answer()
        if self._company.is_vouched(candidate.source):
            return Answer()  # the sender himself says that it is whole
        return self._about_end(candidate, settle, now_s)

    def foresee(self, candidates: Iterable[Candidate]) -> None:
        """Ask the store at once what it will be asked about each of these."""
        keys = {one[1:3] for one in candidates} - self._known.keys()
        found = self._shell.store.jobs_of_files(keys)
        self._known.update({key: found.get(key) for key in keys})

    def known_job(self, candidate: Candidate) -> int | None:
        """The job that put this very file somewhere before; asked once a scan."""
        key = candidate[1:3]
        if key not in self._known:
            self.foresee([candidate])
        return self._known[key]

    def take(self, candidate: Candidate) -> list[Along]:
        """What goes with a candidate that is taken now; durably noted where it must be."""
        for manifest in self._company.releases(candidate.source):
            self._shell.store.meta_set(_RELEASED.format(*manifest[1:5]), "complete")
            self._complete[manifest[1:5]] = True
        return self._company.take(candidate.source)

    def taken(self, along: Sequence[Along]) -> None:
        """These companions are in work/ now: what was noted of manifests may be forgotten."""
        for one in along:
            if not one.as_copy and self._complete.pop(one.companion[1:5], False):
                self._shell.store.meta_set(_RELEASED.format(*one.companion[1:5]), None)

    def _waits_for_others(
        self,
        candidate: Candidate,
        reason: str,
        settle: SettleTracker,
        now_s: float,
        again_s: float,
    ) -> Answer:
        give_up_s = self._profiles.of(candidate.source).complete.give_up_s
        first_seen_s = settle.first_seen_s(candidate.source)
        if give_up_s is None or first_seen_s is None:
            self.wait_for_others.add(candidate.source)
            return Answer(reason, again_s)
        if now_s - first_seen_s < give_up_s:
            return Answer(reason, min(first_seen_s + give_up_s, again_s))
        is_companion = self._company.is_companion(candidate.source)
        code = FileCode.UNPAIRED if is_companion else FileCode.INCOMPLETE
        return Answer(flaw=Flaw(code, f"the service waited {give_up_s:g} s for the rest"))

    def _about_end(self, candidate: Candidate, settle: SettleTracker, now_s: float) -> Answer:
        """Whether the file looks cut off, by its format or by what a worker found before."""
        grace_s = self._shell.settings.intake.incomplete_grace_s
        found = self._returned(candidate)
        if found is not None:
            missing, since_s = found
            left_s = since_s + grace_s - self._shell.clock()
        else:
            probed = self._end_of(candidate, now_s)
            if isinstance(probed, _Looking):
                return Answer("its end is being looked at", probed.ask_again_s(now_s))
            if probed is None:
                return Answer()
            missing = probed
            left_s = (settle.changed_s(candidate.source) or now_s) + grace_s - now_s
        if left_s <= 0:
            return Answer(flaw=Flaw(FileCode.TRUNCATED, missing))
        reason = (
            f"it looks incomplete ({missing}); a sender may still finish it. If nobody does "
            f"within {left_s:.0f} s, it is refused as TRUNCATED"
        )
        return Answer(reason, now_s + min(left_s, _LOOK_AGAIN_S * 15))

    def _returned(self, candidate: Candidate) -> tuple[str, float] | None:
        """What a worker found missing in just these bytes, and when; None for all other files."""
        job_id = self.known_job(candidate)
        if job_id is None:
            return None
        try:
            job = self._shell.store.get(job_id)
        except JobUnknown:
            return None
        is_it = job.state is JobState.WITHDRAWN and job.reason_code == FileCode.TRUNCATED
        if not is_it or job.fingerprint != candidate.fingerprint:
            return None
        return job.reason_note or "its end is missing", job.updated_at_s

    def _end_of(self, candidate: Candidate, now_s: float) -> _Looking | str | None:
        stamp = candidate[1:5]
        known = self._ends.get(stamp, "?")
        if known == "?":
            known = self._ends[stamp] = self._look_at_end(candidate, now_s)
        if isinstance(known, _Looking) and known.found.done():
            known = self._ends[stamp] = known.found.result()
        return known

    def _look_at_end(self, candidate: Candidate, now_s: float) -> _Looking | str | None:
        spool = self._shell.spool
        if candidate.size_bytes <= _PROBED_AT_ONCE_BYTES:
            with contextlib.suppress(TakesLong):
                return spool.missing_end(candidate, at_once=True)
        return _Looking(self._aside.submit(spool.missing_end, candidate), now_s)

    def _content(self, candidate: Candidate) -> bytes | None:
        stamp = candidate[1:5]
        if stamp not in self._contents:
            content = self._shell.spool.peek(candidate)
            if content is None:
                self.is_unsure = True
                return None
            self._contents[stamp] = content
        return self._contents[stamp]

    def _was_complete(self, manifest: Candidate) -> bool:
        stamp = manifest[1:5]
        if stamp not in self._complete:
            key = _RELEASED.format(*stamp)
            self._complete[stamp] = self._shell.store.meta_get(key) is not None
        return self._complete[stamp]

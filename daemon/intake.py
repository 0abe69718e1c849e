"""From the inbox to the queue: look, claim by rename, confirm by hash.

An intent row is committed before a file moves, so that whatever a crash leaves behind (the file
still in the inbox, or already in work/) is finished by `confirm`, which is also all the recovery
there is.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

from loguru import logger

from daemon import members
from daemon.db.errors import JobUnknown
from daemon.db.records import ClaimIntent, Fingerprint, JobRecord, Move
from daemon.db.store import JobStore
from daemon.fairness import Rota, Turn
from daemon.folders.files import FileChanged, FileVanished, Lease
from daemon.folders.syncs import Steps, Syncs, alone, in_step
from daemon.inbox.completeness import Along
from daemon.inbox.fragments import first_part_of
from daemon.inbox.gate import Answer, Flaw, Gate
from daemon.inbox.names import error_folder_of, resubmitted_job
from daemon.inbox.scan import Candidate, Scan
from daemon.inbox.settle import SettleTracker, Waiting
from daemon.lineage import corrected_job
from daemon.shell import Shell
from daemon.states import JobEvent, JobState
from pipeline.errors import FileCode

_AT_ONCE = 100  # claims in one commit
_LONGEST_TURN_S = 1.0
_HASHED_AT_ONCE_BYTES = 8 * 1024 * 1024  # about 10 ms; larger files are hashed beside the loop
_LARGE = "large files take turns, so that small ones need not wait; others are worked on now"
_LARGE_PAUSE_S = 1.0

Digest = tuple[str | None, Fingerprint, str | None]  # the last: what companions say against it


class _Known(NamedTuple):
    """What the database knows of files that were hashed together."""

    had_namesakes: set[int]  # jobs before which there were others for the same path
    quarantined: dict[str, int]  # sha256 -> the newest job that was refused with these bytes


def was_asked_for(store: JobStore, job: JobRecord) -> bool:
    """True for a retry that a person asked for: it is done even if the bytes were delivered."""
    return job.parent_id is not None and bool(store.story(job.id)[0].detail.get("command"))


class Intake:
    """Owns the settle clocks and the claims under way. One thread calls it."""

    def __init__(self, shell: Shell, wake: Callable[[], None]) -> None:
        self._shell = shell
        self._wake = wake
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._start_clocks()
        self._flaws: dict[int, Flaw | None] = {}
        self._hashing: dict[int, Future[Digest]] = {}
        self.scan = Scan()
        self._was_asked_to_take = False
        self.looked_at_s = float("-inf")
        self._said_at_s = float("-inf")
        self.left = 0  # claims that the last turn had no time for

    def look(self) -> None:
        """Scan the inbox and tell the settle clocks what is there."""
        now_s, before = self._shell.monotonic(), self.scan.candidates
        self.scan = self._scanned(now_s)
        self.looked_at_s = now_s
        is_same = self.scan.candidates == before and not self._gate.is_unsure
        is_news = self._was_asked_to_take or not is_same
        self._was_asked_to_take = False
        if is_news:
            self._gate.look(self.scan.candidates)
        self._settle.observe(self.scan.candidates, now_s, is_news=is_news)
        self._shell.troubles.over_except("claim", self._settle)

    @property
    def is_inbox_there(self) -> bool:
        """False while the inbox is missing, or is only the bare mount point of the right one."""
        return self.scan.inbox_identity is not None

    def _scanned(self, now_s: float) -> Scan:
        """What lies in the inbox; nothing at all while it is not the right one."""
        scan = self._shell.spool.scan()
        away = self._shell.places.absence("inbox")  # asked afterwards: mounts go at any moment
        if away is None and scan.inbox_identity is None:
            away = "the inbox is not there or cannot be read; nothing is taken until it is"
        if away is None:
            self._shell.places.settle_in(["inbox"])
            self._shell.troubles.over("inbox")
            return scan
        self._shell.troubles.note("inbox", away, now_s)
        return Scan()

    def arrived_by_rename(self, source: bytes) -> None:
        """The watcher saw a whole file appear under this name at once."""
        self._settle.arrived_by_rename(source)

    def claim(self, room: int, large_room: int = 1) -> int:
        """Take up to `room` finished files out of the inbox, up to `large_room` of them large.

        Returns how many it tried to take.
        """
        now_s = self._shell.monotonic()
        ready = self._ready(room, large_room, now_s) if room else []
        if room and self._said_at_s < self.looked_at_s:  # else nobody was asked, or nothing came
            self._said_at_s = now_s
            self._say_who_waits_long(now_s)
        if not ready:
            return 0
        self._was_asked_to_take = True  # what could not be taken must be put together anew
        jobs = self._shell.store.open_jobs([self._intent(*one) for one in ready])
        along = {job.id: self._gate.take(one) for job, (one, _) in zip(jobs, ready, strict=True)}
        refusals = self._shell.spool.claim_all(jobs, along)
        for (candidate, flaw), job in zip(ready, jobs, strict=True):
            refusal = refusals.get(job.id)
            if refusal is None:
                self._took(candidate, along[job.id])
                self._flaws[job.id] = flaw
            else:
                self._shell.troubles.note(("claim", candidate.source), refusal, now_s)
        return len(jobs)

    def _took(self, candidate: Candidate, along: Sequence[Along]) -> None:
        self._gate.taken(along)
        for companion in along:
            if not companion.as_copy:
                self._settle.forget(companion.companion.source)
        self._settle.forget(candidate.source)
        self._shell.troubles.over(("claim", candidate.source))

    def take_again(self, parent: JobRecord, command_id: int) -> JobRecord:
        """Open a new job for a finished one's original, at a person's request."""
        intent = ClaimIntent(
            source=parent.source,
            fingerprint=parent.fingerprint,
            owner=parent.owner,
            parent_id=parent.id,
            detail={"command": command_id},
        )
        [job] = self._shell.store.open_jobs([intent])
        self._shell.spool.reclaim(job, parent)
        return job

    def confirm(self) -> None:
        """Move claims that are in work/ and hashed to the queue; give up the ones that lost.

        A turn takes about a second at most; there are thousands only after a crash.
        """
        began_s = self._shell.monotonic()
        pausing = self._shell.troubles.is_pausing
        due = [
            job
            for job in self._shell.store.in_state(JobState.CLAIMING)
            if not pausing(("confirm", job.id), began_s)
        ]
        done = 0
        while done < len(due) and self._shell.monotonic() - began_s < _LONGEST_TURN_S:
            self._confirm(due[done : done + _AT_ONCE])
            done += _AT_ONCE
        self.left = max(0, len(due) - done)

    def _confirm(self, jobs: Sequence[JobRecord]) -> None:
        by_id = {job.id: job for job in jobs}
        digests, failed = in_step({job.id: partial(self._digest, job) for job in jobs})
        moves = []
        for job_id, error in failed.items():
            if isinstance(error, FileVanished):
                moves.append(self._vanished(by_id[job_id]))
            elif isinstance(error, FileChanged):
                self._note(by_id[job_id], "the file changed while it was read; it is read again")
            else:
                self._note(by_id[job_id], f"a claimed file cannot be read: {error.strerror}")
        known = self._known_of([(by_id[n], found) for n, found in digests.items() if found])
        for job_id, digest in digests.items():
            if digest is not None:
                moves.append(self._confirmed(by_id[job_id], digest, known))
                self._flaws.pop(job_id, None)
        for job in self._shell.store.advance_all(moves) if moves else ():
            self._shell.troubles.over(("confirm", job.id))
            if job.state is JobState.WITHDRAWN:
                self._clear(job)
            if job.state is JobState.QUEUED:
                size_bytes = job.fingerprint.size_bytes
                logger.bind(job=job.label, size_bytes=size_bytes).info("claimed")

    def _vanished(self, job: JobRecord) -> Move:
        """A claim without a file: the inbox copy, if there is one, must settle again."""
        if members.is_member(self._shell, job):  # the inbox never had it
            return members.lost(job)
        return Move(job=job, event=JobEvent.CLAIM_ABANDONED)

    @property
    def candidates(self) -> int:
        """How many things that could be taken lie in the inbox."""
        return len(self._settle)

    @property
    def pending(self) -> int:
        """The same without those that wait for another file to come, for however long."""
        return len(self._settle) - len(self._gate.wait_for_others)

    def reconfigure(self) -> None:
        """Start all settle clocks anew, with the periods now in force."""
        self._start_clocks()
        self._gate.look(self.scan.candidates)
        self._settle.observe(self.scan.candidates, self._shell.monotonic())

    def waiting(self, most: int) -> list[Waiting]:
        """The `most` oldest candidates that are still in the inbox, each with the reason."""
        return [
            w._replace(reason=self._shell.troubles.why(("claim", w.source)) or w.reason)
            for w in self._settle.waiting(self._shell.monotonic(), most)
        ]

    def next_look_s(self) -> float:
        """Monotonic time at which a waiting file may have become ready."""
        return self._settle.next_look_s(self._shell.monotonic())

    def close(self) -> None:
        """Stop hashing; a half-read file is hashed again after the next start."""
        self._hasher.shutdown(wait=True, cancel_futures=True)

    def _start_clocks(self) -> None:
        intake = self._shell.settings.intake
        self._profiles = self._shell.profiles
        self._rota = Rota(self._profiles.priority)
        self._gate = Gate(self._shell, self._profiles, self._hasher)
        self._settle = SettleTracker(
            quiet_period_s=intake.quiet_period_s,
            no_lease_quiet_period_s=intake.no_lease_quiet_period_s,
            empty_grace_s=intake.empty_grace_s,
            own_quiet_s=lambda source: self._profiles.of(source).quiet_period_s,
        )

    def _ready(
        self, room: int, large_room: int, now_s: float
    ) -> list[tuple[Candidate, Flaw | None]]:
        ready: list[tuple[Candidate, Flaw | None]] = []
        large_bytes = self._shell.settings.workers.large_file_mb * 1024 * 1024
        turns = self._rota.order(self._turns(now_s))
        next_ones = list(islice(turns, room))
        self._gate.foresee([turn.thing for turn in next_ones])
        refusing = self._shell.spool.refusing()
        for turn in chain(next_ones, turns):
            if len(ready) >= room:
                break
            candidate = turn.thing
            if self._shell.troubles.is_pausing(("claim", candidate.source), now_s):
                continue
            is_large = candidate.size_bytes >= large_bytes
            if is_large and not large_room:
                self._settle.hold(candidate.source, _LARGE, now_s + _LARGE_PAUSE_S)
                continue
            answer = self._asked(candidate, now_s)
            if answer is None:
                continue
            refusal = refusing.why(candidate)
            if refusal is None:
                ready.append((candidate, answer.flaw))
                large_room -= is_large
                self._rota.served(turn.source)
            else:
                self._shell.troubles.note(("claim", candidate.source), refusal, now_s)
        return ready

    def _turns(self, now_s: float) -> Iterator[Turn[Candidate]]:
        """What may be finished, each with whose turn it is."""
        of, seen_s = self._profiles.turn, self._settle.first_seen_s
        for one in self._settle.due(now_s):
            yield Turn(one, of(one.source), seen_s(one.source) or now_s, one.size_bytes)

    def _asked(self, candidate: Candidate, now_s: float) -> Answer | None:
        """The gate's answer about a candidate that may be taken; None when it must wait."""
        others = self._gate.others(candidate, self._settle, now_s)
        if others.reason is None:
            if not self._settle.decide(candidate, self._probe(candidate), now_s).ready:
                return None
            if others.flaw is not None:
                return others
            others = self._gate.end(candidate, self._settle, now_s)
        if others.reason is None:
            return others
        self._settle.hold(candidate.source, others.reason, others.until_s)
        return None

    def _probe(self, candidate: Candidate) -> Lease:
        if candidate.kind != "file" or not self._shell.settings.intake.use_lease:
            return Lease.UNKNOWN if candidate.kind == "file" else Lease.FREE
        return self._shell.spool.probe(candidate)

    def _say_who_waits_long(self, now_s: float) -> None:
        """An operator hears of files whose other half does not come."""
        limit_s = self._shell.settings.intake.incomplete_alarm_s
        seen_s = map(self._settle.first_seen_s, self._gate.wait_for_others)
        late = sum(first_s is not None and now_s - first_s >= limit_s for first_s in seen_s)
        if late:
            what = f"{late} files in the inbox wait for a marker, checksum, manifest or their file"
            self._shell.troubles.note("company", f"{what}; 'status' names them", now_s)
        else:
            self._shell.troubles.over("company")

    def _intent(self, candidate: Candidate, flaw: Flaw | None) -> ClaimIntent:
        fingerprint = candidate.fingerprint
        parent_id = resubmitted_job(candidate.source) or self._gate.known_job(candidate)
        if parent_id is not None and not self._is_finished(parent_id):
            parent_id = None  # a folder that only looks like one of ours
        return ClaimIntent(
            source=candidate.source,
            fingerprint=fingerprint,
            owner=candidate.owner,
            parent_id=parent_id,
            detail={"flaw": flaw.code.value, "note": flaw.note} if flaw else {},
        )

    def _is_finished(self, job_id: int) -> bool:
        try:
            return self._shell.store.get(job_id).state.is_finished
        except JobUnknown:
            return False

    def _digest(self, job: JobRecord, syncs: Syncs) -> Steps[Digest | None]:
        """Hash, fingerprint and flaw of a claimed input; None while the hash is being computed."""
        known = self._shell.spool.stat_input(job)
        if known is None:
            if not self._retaken(job):
                raise FileVanished(job.label)
            known = self._shell.spool.stat_input(job)
            if known is None:
                raise FileVanished(job.label)
        fingerprint, mode = known
        if not stat.S_ISREG(mode):
            return None if mode == 0 else (None, fingerprint, None)
        future = self._hashing.get(job.id)
        if future is None:
            self._finish_taking(job)
        if fingerprint.size_bytes <= _HASHED_AT_ONCE_BYTES:
            return (yield from self._examine(job, syncs))
        if future is None:
            future = self._hasher.submit(alone, partial(self._examine, job))
            self._hashing[job.id] = future
            future.add_done_callback(lambda _: self._wake())
            return None
        if not future.done():
            return None
        del self._hashing[job.id]
        return future.result()

    def _examine(self, job: JobRecord, syncs: Syncs) -> Steps[Digest]:
        sha256, fingerprint = yield from self._shell.spool.digest(job, syncs)
        return sha256, fingerprint, self._shell.spool.flaw(job, sha256)

    def _flaw(self, job: JobRecord) -> Flaw | None:
        """Why the job was only taken to be refused, also after a restart."""
        if job.id not in self._flaws:
            detail = self._shell.store.story(job.id)[0].detail
            found = FileCode.__members__.get(str(detail.get("flaw")))
            return Flaw(found, str(detail.get("note", ""))) if found else None
        return self._flaws[job.id]

    def _finish_taking(self, job: JobRecord) -> None:
        """Repeat what belongs to a claim and a crash may have cut short; mostly there is nothing.

        Companions come along; the papers beside a refused original go with it.
        """
        self._shell.spool.bring_companions(job)
        if job.parent_id is not None and was_asked_for(self._shell.store, job):
            self._shell.spool.reclaim(job, self._shell.store.get(job.parent_id))
        elif job.parent_id is not None or error_folder_of(job.source):
            self._shell.spool.swallow_sidecars(job)

    def _retaken(self, job: JobRecord) -> bool:
        """Repeat the move of a retry, or of a member, whose crash came between intent and move."""
        if job.parent_id is None:
            return False
        if members.is_member(self._shell, job):
            return members.take(self._shell, job)
        if not was_asked_for(self._shell.store, job):
            return False
        return self._shell.spool.reclaim(job, self._shell.store.get(job.parent_id))

    def _known_of(self, found: Sequence[tuple[JobRecord, Digest]]) -> _Known:
        store = self._shell.store
        firsts = store.first_of_names({job.source for job, _ in found})
        return _Known(
            {job.id for job, _ in found if firsts.get(job.source, job.id) < job.id},
            store.quarantined_with({sha256 for _, (sha256, *_) in found if sha256}),
        )

    def _confirmed(self, job: JobRecord, digest: Digest, known: _Known) -> Move:
        sha256, fingerprint, mismatch = digest
        flaw = Flaw(FileCode.CHECKSUM, mismatch) if mismatch else self._flaw(job)
        may_go_on = flaw is None and sha256 and job.id in known.had_namesakes
        first = first_part_of(self._shell, job) if may_go_on else None
        if first is not None:
            after_s = job.created_at_s - first.created_at_s
            flaw = Flaw(FileCode.SPLIT, f"it continues {first.label}, taken {after_s:.0f} s before")
            logger.bind(job=job.label, first=first.label).warning("a second part came")
        parent_id = first.id if first is not None else job.parent_id
        if parent_id is None and sha256 is not None:
            corrected = corrected_job(self._shell, job)
            parent_id = corrected.id if corrected else known.quarantined.get(sha256)
        return Move(
            job=job,
            event=JobEvent.CLAIM_CONFIRMED,
            changes={
                "sha256": sha256,
                "fingerprint": fingerprint,
                "parent_id": parent_id,
                "reason_code": flaw.code if flaw else None,
                "reason_note": flaw.note if flaw else None,
            },
            detail={"size_bytes": fingerprint.size_bytes},
        )

    def _clear(self, job: JobRecord) -> None:
        """Remove the folder that was made for a file that stayed in the inbox."""
        try:
            self._shell.spool.clear(job.id)
        except OSError as error:  # `Finishing` tries again
            what = f"a folder made for nothing cannot be removed: {error.strerror}"
            self._shell.troubles.note(("clear", job.id), what, self._shell.monotonic())

    def _note(self, job: JobRecord, what: str) -> None:
        self._shell.troubles.note(("confirm", job.id), what, self._shell.monotonic())

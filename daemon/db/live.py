"""The jobs that are not finished, as the process that moves them knows them: no question is needed.

Only the daemon moves jobs, and every move goes through its store, which tells this object of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from daemon.db.records import JobRecord
from daemon.states import LIVE, JobState

_BY_ID = attrgetter("id")


class LiveJobs:
    """`jobs`: all that are not finished. `counts`: how many there are in each state, of all."""

    def __init__(self, jobs: Iterable[JobRecord], counts: Mapping[JobState, int]) -> None:
        self._by_state: dict[JobState, dict[int, JobRecord]] = {state: {} for state in LIVE}
        self._counts = dict(counts)
        for job in jobs:
            self._by_state[job.state][job.id] = job

    @property
    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state, the finished ones included."""
        return dict(self._counts)

    def opened(self, jobs: Iterable[JobRecord]) -> None:
        """These are new."""
        for job in jobs:
            self._counts[job.state] += 1
            self._by_state[job.state][job.id] = job

    def moved(self, before: Iterable[JobRecord], after: Iterable[JobRecord]) -> bool:
        """Each of these jobs stands now as the record in the same place of `after` says.

        False when one of them was not known: then nothing said here can be relied on any more.
        """
        for old, new in zip(before, after, strict=True):
            if self._by_state[old.state].pop(old.id, None) is None:
                return False
            self._counts[old.state] -= 1
            self._counts[new.state] += 1
            if new.state in self._by_state:
                self._by_state[new.state][new.id] = new
        return True

    def in_state(
        self, states: Sequence[JobState], due_by_s: float, limit: int | None
    ) -> list[JobRecord]:
        """As `ReadStore.in_state`."""
        jobs = [job for state in states for job in self._by_state[state].values()]
        if due_by_s != math.inf:
            jobs = [job for job in jobs if job.not_before_s <= due_by_s]
        jobs.sort(key=_BY_ID)
        return jobs if limit is None else jobs[:limit]

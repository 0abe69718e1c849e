"""What the daemon's store knows of live jobs without a question is what the database says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.db.errors import StaleJob
from daemon.db.store import JobStore
from daemon.states import LIVE, TRANSITIONS, Disposition, JobEvent, JobState
from tests.unit.stored_jobs import HandClock, intent, move, open_job


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[JobStore]:
    made = JobStore(tmp_path / "state.db", clock)
    yield made
    made.close()


def same_as_the_database(store: JobStore, clock: HandClock) -> bool:
    reader = JobStore.open_readonly(store.path, clock)
    try:
        counts = store.counts_by_state() == reader.counts_by_state()
        live = store.in_state(*LIVE) == reader.in_state(*LIVE)
        due = [store.in_state(s, due_by_s=clock.now_s, limit=3) for s in sorted(LIVE)]
        asked = [reader.in_state(s, due_by_s=clock.now_s, limit=3) for s in sorted(LIVE)]
    finally:
        reader.close()
    return counts and live and due == asked


def test_after_any_moves_the_store_knows_what_the_database_says(
    store: JobStore, clock: HandClock
) -> None:
    chance = random.Random(7)
    for _ in range(120):
        live = store.in_state(*LIVE)
        if len(live) < 5:
            store.open_jobs([intent(f"ward/{chance.random()}.csv".encode())] * 2)
            continue
        job = chance.choice(live)
        event = chance.choice([e for s, e in TRANSITIONS if s is job.state])
        changes: dict[str, object] = {"not_before_s": clock.now_s + chance.choice((-1, 1, 60))}
        if TRANSITIONS[job.state, event] is JobState.FINALIZING:
            changes["disposition"] = chance.choice(list(Disposition))
        if job.state is JobState.FINALIZING:
            wanted = f"finalized_{job.disposition}"
            event = next(e for s, e in TRANSITIONS if s is job.state and e.value == wanted)
            changes = {}
        if event is JobEvent.CLAIM_CONFIRMED:
            changes["sha256"] = f"{chance.getrandbits(256):064x}"
        store.advance(move(job, event, **changes))
        clock.now_s += 1
        assert same_as_the_database(store, clock)


def test_a_job_that_somebody_else_moved_is_read_again(store: JobStore, clock: HandClock) -> None:
    job = open_job(store)
    assert store.in_state(JobState.CLAIMING) == [job]
    other = JobStore(store.path, clock, create=False)
    other.advance(move(job, JobEvent.CLAIM_CONFIRMED, sha256="a" * 64))
    other.close()
    with pytest.raises(StaleJob):
        store.advance(move(job, JobEvent.CLAIM_ABANDONED))
    assert same_as_the_database(store, clock)


def test_a_job_that_somebody_else_opened_can_be_moved(store: JobStore, clock: HandClock) -> None:
    assert store.in_state(JobState.CLAIMING) == []
    other = JobStore(store.path, clock, create=False)
    job = open_job(other)
    other.close()
    store.advance(move(job, JobEvent.CLAIM_CONFIRMED, sha256="a" * 64))
    assert same_as_the_database(store, clock)


def test_what_is_kept_under_a_key_is_known_until_it_is_changed(store: JobStore) -> None:
    assert store.meta_get("paused") is None
    store.meta_set("paused", "for a reason")
    assert store.meta_get("paused") == "for a reason"
    store.meta_set("paused", None)
    assert store.meta_get("paused") is None

"""What the store keeps, refuses and answers. Real SQLite files throughout."""

from __future__ import annotations

import itertools
import math
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as watched
from sqlalchemy.pool import Pool

from benchmarks.history import fill
from daemon.db.errors import JobUnknown, StaleJob, StateError
from daemon.db.records import Fingerprint, KnownFile, LogLine, Move
from daemon.db.store import JobStore
from daemon.states import (
    FINISHED,
    LIVE,
    TRANSITIONS,
    Disposition,
    InvalidTransition,
    JobEvent,
    JobState,
)
from pipeline.messages import RowCounts
from tests.unit.stored_jobs import (
    OUTPUTS,
    OWNER,
    HandClock,
    bring_to,
    deliver,
    ending_of,
    intent,
    move,
    open_job,
)

S, E = JobState, JobEvent


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "state" / "harmonizer.db", clock)
    yield store
    assert store.check() == []  # whatever a test did, the books must balance afterwards
    store.close()


def sql(store: JobStore, statement: str, *values: object) -> list[tuple[object, ...]]:
    """What another program would see or do to the file."""
    with sqlite3.connect(store.path) as connection:
        found = connection.execute(statement, values).fetchall()
    connection.close()
    return found


# --- opening -------------------------------------------------------------------------------------


def test_an_intent_is_on_record_before_any_file_is_touched(
    store: JobStore, clock: HandClock
) -> None:
    [job] = store.open_jobs([intent(b"ward 3/labs.csv", detail={"links": 2})])

    assert job == store.get(job.id)
    assert job.state is S.CLAIMING
    assert job.source == b"ward 3/labs.csv"
    assert job.owner == OWNER
    assert job.created_at_s == clock.now_s
    [event] = store.story(job.id)
    assert (event.kind, event.from_state, event.to_state) == (E.CLAIM_INTENDED, None, S.CLAIMING)
    assert event.detail == {"links": 2}


def test_jobs_are_numbered_in_the_order_of_their_intents(store: JobStore) -> None:
    first = store.open_jobs([intent(b"%d.csv" % n) for n in range(5)])
    second = store.open_jobs([intent(b"again.csv")])

    assert [job.id for job in first + second] == [1, 2, 3, 4, 5, 6]
    assert [store.get(n).source for n in (1, 5, 6)] == [b"0.csv", b"4.csv", b"again.csv"]


def test_no_intents_are_no_jobs(store: JobStore) -> None:
    assert store.open_jobs([]) == []
    assert store.advance_all([]) == []
    assert store.jobs() == []


@pytest.mark.parametrize(
    "source", [b"caf\xe9/\xff\xfe.csv", "Größe – Ω.csv".encode(), b"tab\there\n.csv", b"'; --"]
)
def test_every_file_name_linux_allows_comes_back_byte_for_byte(
    store: JobStore, source: bytes
) -> None:
    job = open_job(store, source)

    assert store.get(job.id).source == source
    assert store.jobs(source=source) == [job]


def test_device_and_inode_numbers_may_use_all_64_bits(store: JobStore) -> None:
    huge = Fingerprint(device=2**64 - 1, inode=2**63, size_bytes=0, mtime_ns=-1)
    job = open_job(store, fingerprint=huge)

    store.remember_files([KnownFile(device=2**64 - 1, inode=2**63, job_id=job.id)])

    assert store.get(job.id).fingerprint == huge
    assert store.job_of_file(2**64 - 1, 2**63) == job.id


def test_numbers_that_folders_on_disk_already_bear_are_not_given_again(store: JobStore) -> None:
    open_job(store)
    store.skip_ids(40)
    store.skip_ids(30)

    assert [open_job(store).id, open_job(store).id] == [41, 42]


# --- moving --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), TRANSITIONS, ids=lambda part: part.value)
def test_every_transition_of_the_table_can_be_stored(
    store: JobStore, state: JobState, event: JobEvent
) -> None:
    before = bring_to(store, state, ending=ending_of(event))
    after = TRANSITIONS[state, event]
    changes = {"disposition": Disposition.QUARANTINED} if after is S.FINALIZING else {}

    moved = store.advance(move(before, event, **changes))

    assert moved == store.get(before.id)
    assert moved.state is after
    assert (moved.finished_at_s is not None) == after.is_finished
    last = store.story(before.id)[-1]
    assert (last.kind, last.from_state, last.to_state) == (event, state, after)
    assert [line.seq for line in store.story(before.id)] == list(range(1, moved.events + 1))


@pytest.mark.parametrize("state", JobState)
def test_what_is_not_in_the_table_is_refused_and_changes_nothing(
    store: JobStore, state: JobState
) -> None:
    job = bring_to(store, state)
    story = store.story(job.id)
    impossible = [event for event in JobEvent if (state, event) not in TRANSITIONS]
    assert impossible

    for event in impossible:
        with pytest.raises(InvalidTransition):
            store.advance(move(job, event))

    assert store.get(job.id) == job
    assert store.story(job.id) == story


def test_everything_a_move_may_change_comes_back_as_it_was_given(store: JobStore) -> None:
    parent, twin = open_job(store), open_job(store)
    changes = {
        "fingerprint": Fingerprint(device=1, inode=2, size_bytes=3, mtime_ns=4),
        "sha256": "a" * 64,
        "not_before_s": 1_700_000_030.5,
        "reason_code": "DATE_AMBIGUOUS",
        "reason_note": "column 'seen': nothing proves the order",
        "reason_details": ("one", "two – ü"),
        "contract": "vitals",
        "contract_version": "1.2.0",
        "counts": RowCounts(read=10, added=2, written=9, rejected=1, duplicate=1, skipped=1),
        "delivery": "vitals/caf\udce9.j3",  # a name that is not UTF-8, as os.fsdecode gives it
        "duplicate_of": twin.id,
        "parent_id": parent.id,
    }
    job = bring_to(store, S.RUNNING)

    held = store.advance(move(job, E.QUESTION_ASKED, **changes))

    assert held == store.get(job.id)
    assert {name: getattr(held, name) for name in changes} == changes
    assert store.children_of(parent.id) == [held]


def test_a_change_can_be_taken_back(store: JobStore) -> None:
    counts = RowCounts(read=1, written=1)
    job = bring_to(store, S.HELD, reason_code="UNIT_MISSING", reason_note="why", counts=counts)

    again = store.advance(
        move(job, E.ANSWER_CONFIRMED, reason_code=None, reason_note=None, counts=None)
    )

    assert (again.reason_code, again.reason_note, again.counts) == (None, None, None)
    assert again == store.get(job.id)


def test_a_record_that_is_out_of_date_moves_nothing(store: JobStore) -> None:
    old = bring_to(store, S.QUEUED)
    now = store.advance(move(old, E.ATTEMPT_STARTED))

    with pytest.raises(StaleJob, match=f"j{old.id} "):
        store.advance(move(old, E.ATTEMPT_STARTED))

    assert store.get(old.id) == now


def test_a_record_is_out_of_date_even_when_the_state_came_round_again(store: JobStore) -> None:
    old = bring_to(store, S.QUEUED)
    running = store.advance(move(old, E.ATTEMPT_STARTED))
    queued_again = store.advance(move(running, E.ATTEMPT_FAILED))
    assert queued_again.state is old.state

    with pytest.raises(StaleJob):
        store.advance(move(old, E.ATTEMPT_STARTED))  # it would count the first attempt twice

    assert store.get(old.id).attempts == 1


def test_a_group_moves_together_or_not_at_all(store: JobStore) -> None:
    jobs = [bring_to(store, S.QUEUED) for _ in range(4)]
    ahead = store.advance(move(jobs[2], E.INPUT_CHANGED))

    with pytest.raises(StaleJob) as refusal:
        store.advance_all([move(job, E.ATTEMPT_STARTED) for job in jobs])

    assert refusal.value.job_ids == (jobs[2].id,)
    assert store.in_state(S.QUEUED) == [jobs[0], jobs[1], ahead, jobs[3]]
    assert [store.attempts_of(job.id) for job in jobs] == [[], [], [], []]


def test_one_job_cannot_move_twice_in_one_group(store: JobStore) -> None:
    job = bring_to(store, S.QUEUED)

    with pytest.raises(StaleJob):
        store.advance_all([move(job, E.INPUT_CHANGED), move(job, E.INPUT_CHANGED)])

    assert store.get(job.id) == job


def test_a_group_may_hold_different_events(store: JobStore) -> None:
    queued, running, held = (bring_to(store, state) for state in (S.QUEUED, S.RUNNING, S.HELD))

    moved = store.advance_all(
        [
            move(queued, E.ATTEMPT_STARTED),
            move(running, E.ATTEMPT_SUCCEEDED, disposition=Disposition.DELIVERED),
            move(held, E.ANSWER_REFUSED, disposition=Disposition.QUARANTINED, reason_code="X"),
        ]
    )

    assert [job.state for job in moved] == [S.RUNNING, S.FINALIZING, S.FINALIZING]
    assert moved == [store.get(job.id) for job in (queued, running, held)]


def test_a_job_that_does_not_exist_is_said_to(store: JobStore) -> None:
    with pytest.raises(JobUnknown, match="there is no job j99"):
        store.get(99)


@pytest.mark.parametrize("field", ["state", "events", "id", "created_at_s", "no_such_field"])
def test_a_move_cannot_change_what_only_the_store_may(store: JobStore, field: str) -> None:
    job = bring_to(store, S.QUEUED)

    with pytest.raises((ValueError, TypeError), match=field):
        store.advance(Move(job=job, event=E.INPUT_CHANGED, changes={field: 1}))

    assert store.get(job.id) == job


def test_an_ending_must_be_on_record_before_files_move(store: JobStore) -> None:
    job = bring_to(store, S.RUNNING)

    with pytest.raises(StateError):
        store.advance(move(job, E.ATTEMPT_REFUSED))

    assert store.get(job.id) == job


def test_a_job_ends_only_as_it_was_committed_to_end(store: JobStore) -> None:
    job = bring_to(store, S.FINALIZING, ending=Disposition.QUARANTINED)

    with pytest.raises(StateError):
        store.advance(move(job, E.FINALIZED_DELIVERED))

    assert store.get(job.id) == job


# --- attempts and outputs ------------------------------------------------------------------------


def test_an_attempt_is_on_record_from_its_start_and_closed_by_its_outcome(
    store: JobStore, clock: HandClock
) -> None:
    job = store.advance(move(bring_to(store, S.QUEUED), E.ATTEMPT_STARTED))
    [opened] = store.attempts_of(job.id)
    clock.now_s += 7
    store.advance(
        move(job, E.ATTEMPT_FAILED, reason_code="STORAGE", reason_note="the disk was full")
    )

    assert (opened.number, opened.outcome, opened.ended_at_s) == (1, None, None)
    [closed] = store.attempts_of(job.id)
    assert (closed.number, closed.outcome, closed.code) == (1, "attempt_failed", "STORAGE")
    assert closed.note == "the disk was full"
    assert closed.ended_at_s == closed.started_at_s + 7


@pytest.mark.parametrize("event", [event for state, event in TRANSITIONS if state is S.RUNNING])
def test_whatever_ends_running_closes_the_attempt(store: JobStore, event: JobEvent) -> None:
    job = bring_to(store, S.RUNNING)

    store.advance(move(job, event, disposition=Disposition.QUARANTINED))

    assert [attempt.outcome for attempt in store.attempts_of(job.id)] == [event.value]


def test_an_attempt_given_back_at_shutdown_may_be_counted_again(store: JobStore) -> None:
    job = bring_to(store, S.RUNNING)
    job = store.advance(move(job, E.ATTEMPT_INTERRUPTED, attempts=0))
    store.advance(move(job, E.ATTEMPT_STARTED))

    outcomes = [(attempt.number, attempt.outcome) for attempt in store.attempts_of(job.id)]
    assert outcomes == [(1, "attempt_interrupted"), (1, None)]


def test_an_attempt_that_is_not_counted_is_refused(store: JobStore) -> None:
    job = bring_to(store, S.QUEUED)

    with pytest.raises(ValueError, match="count"):
        store.advance(Move(job=job, event=E.ATTEMPT_STARTED))


def test_outputs_are_recorded_with_the_success_that_made_them(store: JobStore) -> None:
    job = bring_to(store, S.RUNNING)

    store.advance(move(job, E.ATTEMPT_SUCCEEDED, disposition=Disposition.DELIVERED))

    assert store.outputs_of(job.id) == sorted(OUTPUTS, key=lambda file: file.name)
    with pytest.raises(ValueError, match="no outputs"):
        store.advance(Move(job=bring_to(store, S.RUNNING), event=E.ATTEMPT_FAILED, outputs=OUTPUTS))


# --- what never changes again ---------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_a_finished_job_cannot_be_changed_by_anybody(store: JobStore, state: JobState) -> None:
    job = bring_to(store, state)

    for statement in (
        "UPDATE job SET state = 'queued', finished_at_s = NULL WHERE id = ?",
        "UPDATE job SET reason_note = 'nothing happened' WHERE id = ?",
        "DELETE FROM job WHERE id = ?",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            sql(store, statement, job.id)

    assert store.get(job.id) == job


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET code = 'X'",
        "DELETE FROM event",
        "UPDATE attempt SET outcome = 'attempt_succeeded'",
        "DELETE FROM attempt",
        "UPDATE output SET sha256 = 'x'",
        "DELETE FROM output",
        "DELETE FROM job",
    ],
)
def test_history_cannot_be_rewritten(store: JobStore, statement: str) -> None:
    job = deliver(store)
    before = store.story(job.id), store.attempts_of(job.id), store.outputs_of(job.id)

    with pytest.raises(sqlite3.IntegrityError, match=r"never changes|never deleted"):
        sql(store, statement)

    assert (store.story(job.id), store.attempts_of(job.id), store.outputs_of(job.id)) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET state = 'nowhere'",
        "UPDATE job SET disposition = 'eaten'",
        "UPDATE job SET sha256 = 'short'",
        "UPDATE job SET attempts = -1",
        "INSERT INTO event SELECT job_id, 9, at_s, 'sneezed', to_state, to_state, code, detail "
        "FROM event",
    ],
)
def test_unknown_words_are_not_stored(store: JobStore, statement: str) -> None:
    open_job(store)

    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        sql(store, statement)


# --- questions -----------------------------------------------------------------------------------


def test_jobs_that_are_due_come_oldest_first(store: JobStore) -> None:
    now, later, never = (
        bring_to(store, S.QUEUED, not_before_s=due) for due in (100.0, 200.0, math.inf)
    )
    running = bring_to(store, S.RUNNING)

    assert store.in_state(S.QUEUED, due_by_s=150.0) == [now]
    assert store.in_state(S.QUEUED) == [now, later, never]
    assert store.in_state(S.RUNNING, S.QUEUED) == [now, later, never, running]
    assert store.in_state(S.QUEUED, limit=1) == [now]
    assert store.in_state() == []


def test_counts_name_every_state_and_follow_every_move(store: JobStore) -> None:
    assert store.counts_by_state() == dict.fromkeys(JobState, 0)
    jobs = {state: bring_to(store, state) for state in JobState}
    assert store.counts_by_state() == dict.fromkeys(JobState, 1)

    store.advance(move(jobs[S.FINALIZING], E.FINALIZED_QUARANTINED))

    assert store.counts_by_state()[S.FINALIZING] == 0
    assert store.counts_by_state()[S.QUARANTINED] == 2
    assert store.live_ids() == {jobs[state].id for state in LIVE - {S.FINALIZING}}


def test_errors_are_counted_by_their_code(store: JobStore) -> None:
    for code in ("EMPTY", "ENCODING", "ENCODING"):
        job = bring_to(store, S.FINALIZING, reason_code=code)
        store.advance(move(job, E.FINALIZED_QUARANTINED))
    bring_to(store, S.HELD, reason_code="DATE_AMBIGUOUS")

    assert list(store.error_counts().items()) == [("ENCODING", 2), ("EMPTY", 1)]
    assert [job.reason_code for job in store.errors()] == ["ENCODING", "ENCODING", "EMPTY"]
    assert len(store.errors(limit=1)) == 1


def test_a_listing_is_newest_first_and_goes_on_page_by_page(store: JobStore) -> None:
    jobs = store.open_jobs([intent() for _ in range(7)])
    pages = []
    before_id = None
    while page := store.jobs(limit=3, before_id=before_id):
        pages.append([job.id for job in page])
        before_id = page[-1].id

    assert pages == [[7, 6, 5], [4, 3, 2], [1]]
    assert list(itertools.chain(*pages)) == [job.id for job in reversed(jobs)]


def test_filters_of_a_listing_must_all_fit(store: JobStore) -> None:
    vitals = bring_to(store, S.HELD, contract="vitals", reason_code="UNIT_MISSING")
    labs = bring_to(store, S.HELD, contract="lab_results", reason_code="UNIT_MISSING")
    bring_to(store, S.QUEUED)

    assert store.jobs(state=S.HELD) == [labs, vitals]
    assert store.jobs(contract="vitals") == [vitals]
    assert store.jobs(reason="UNIT_MISSING", contract="lab_results") == [labs]
    assert store.jobs(state=S.HELD, reason="UNIT_MISSING", before_id=labs.id) == [vitals]
    assert store.jobs(state=S.QUEUED, contract="vitals") == []


def test_jobs_since_a_time_are_right_even_if_the_clock_was_set_back(
    store: JobStore, clock: HandClock
) -> None:
    times = (1_000.0, 3_000.0, 2_000.0, 4_000.0)
    jobs = []
    for clock.now_s in times:
        jobs.append(open_job(store))

    assert store.jobs(since_s=2_500.0) == [jobs[3], jobs[1]]
    assert store.jobs(since_s=4_000.0) == [jobs[3]]
    assert store.jobs(since_s=4_000.1) == []
    assert store.jobs(since_s=0.0, limit=2) == [jobs[3], jobs[2]]


def test_the_same_bytes_are_found_again(store: JobStore) -> None:
    ours, other = "a" * 64, "b" * 64
    for state in (S.QUARANTINED, S.DELIVERED, S.QUARANTINED, S.DELIVERED, S.DUPLICATE):
        queued = bring_to(store, S.QUEUED, sha256=ours)
        ending = Disposition(state.value)
        job = store.advance(move(queued, E.CANCEL_REQUESTED, disposition=ending))
        store.advance(move(job, JobEvent(f"finalized_{state}")))
    bring_to(store, S.QUEUED, sha256=other)

    assert store.delivered_with({ours, other}) == {ours: 2}  # the first is the one to point at
    assert store.quarantined_with({ours, other}) == {ours: 3}  # the last is the one corrected
    assert store.delivered_with({other}) == store.quarantined_with(()) == {}


def test_what_is_asked_for_every_file_costs_the_same_however_many_jobs_are_finished(
    tmp_path: Path, clock: HandClock
) -> None:
    steps: list[int] = []
    for finished in (100, 10_000):
        path = tmp_path / f"{finished}.db"
        JobStore(path, clock).close()
        fill(path, finished)
        taken = 0

        def count() -> None:
            nonlocal taken
            taken += 1

        def watch(connection: Any, _: object) -> None:
            connection.set_progress_handler(count, 1)

        watched.listen(Pool, "connect", watch)
        try:
            with closing(JobStore(path, clock)) as store:
                assert store.delivered_with({f"{n:064x}" for n in range(45, 55)})
                assert store.quarantined_with({f"{n:064x}" for n in range(45, 55)}) == {
                    f"{50:064x}": 50
                }
                assert len(store.first_of_names({b"f7.csv", b"f8.csv"})) == 2
                assert [one.id for one in store.last_of_name(b"f7.csv", 9)] == [7]
                assert store.last_of_name(b"f7.csv", 7) == []
                assert not store.in_state(S.QUEUED, S.RUNNING)
                store.dossiers([1, 2, 3])
        finally:
            watched.remove(Pool, "connect", watch)
        steps.append(taken)
    assert steps[1] < 1.1 * steps[0]


def test_a_file_belongs_to_the_job_that_touched_it_last(store: JobStore, clock: HandClock) -> None:
    first, second = open_job(store), open_job(store)
    store.remember_files([KnownFile(device=1, inode=5, job_id=first.id)])
    clock.now_s += 10
    store.remember_files(
        [
            KnownFile(device=1, inode=5, job_id=second.id),
            KnownFile(device=1, inode=6, job_id=second.id),
        ]
    )
    store.remember_files([])

    assert store.job_of_file(1, 5) == second.id
    assert store.job_of_file(2, 5) is None
    clock.now_s += 10
    store.remember_files([KnownFile(device=1, inode=6, job_id=second.id)])
    assert store.forget_files(clock.now_s) == 1
    assert (store.job_of_file(1, 5), store.job_of_file(1, 6)) == (None, second.id)


# --- commands, logs, notes -----------------------------------------------------------------------


def test_a_command_waits_until_it_is_answered_once(store: JobStore, clock: HandClock) -> None:
    retry = store.ask("retry", {"job": 42}, "uid 1000")
    pause = store.ask("pause", {"reason": "Umbau"}, "uid 0")
    assert [asked.id for asked in store.pending_commands()] == [retry, pause]
    clock.now_s += 5

    store.answer(retry, True, "j43 tries j42 again")
    store.answer(retry, False, "a second answer")

    assert [asked.args for asked in store.pending_commands()] == [{"reason": "Umbau"}]
    answered = store.command(retry)
    assert answered is not None
    assert (answered.ok, answered.answer) == (True, "j43 tries j42 again")
    assert answered.done_at_s == answered.created_at_s + 5
    assert store.command(99) is None


def test_log_lines_can_be_followed_and_filtered_by_job(store: JobStore) -> None:
    store.add_logs(
        [
            LogLine(at_s=float(n), level="INFO", message=f"line {n}", job_id=n % 2, fields={"n": n})
            for n in range(6)
        ]
    )
    store.add_logs([])

    lines = store.logs(limit=2)
    assert [line.message for line in lines] == ["line 0", "line 1"]
    following = store.logs(after_id=lines[-1].id)
    assert [line.fields["n"] for line in following] == [2, 3, 4, 5]
    assert [line.message for line in store.logs(1)] == ["line 1", "line 3", "line 5"]
    assert [line.message for line in store.last_logs(limit=2)] == ["line 4", "line 5"]
    assert [line.message for line in store.last_logs(0, limit=1)] == ["line 4"]


def test_purged_log_lines_do_not_give_their_numbers_away(store: JobStore) -> None:
    old = [LogLine(at_s=1.0, level="INFO", message="old")] * 12_000
    store.add_logs(old)
    last = store.last_logs(limit=1)[0].id

    assert store.purge_logs(before_s=2.0) == 12_000
    assert store.purge_logs(before_s=2.0) == 0
    assert store.logs() == []

    store.add_logs([LogLine(at_s=3.0, level="INFO", message="new")])
    assert [line.message for line in store.logs(after_id=last)] == ["new"]


def test_text_that_is_not_unicode_is_kept_escaped(store: JobStore) -> None:
    odd = "caf\udce9"
    store.add_logs([LogLine(at_s=1.0, level="INFO", message=odd, fields={"x": odd})])
    store.meta_set("odd", odd)
    job = store.advance(move(bring_to(store, S.RUNNING), E.QUESTION_ASKED, reason_note=odd))

    assert store.logs()[0].message == "caf\\udce9"
    assert store.meta_get("odd") == "caf\\udce9"
    assert store.get(job.id) == job


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_deleted_database_is_put_back_as_often_as_it_is_deleted(
    store: JobStore, whole_folder: bool
) -> None:
    """The second time, everything since the first is in the log, and the log is deleted too."""
    for round_ in range(3):
        store.meta_set("round", str(round_))
        if whole_folder:
            shutil.rmtree(store.path.parent)
        else:
            for path in store.path.parent.glob("harmonizer.db*"):
                path.unlink()
        assert store.keep_in_place()
        assert store.meta_get("round") == str(round_)
        assert sql(store, "SELECT value FROM meta WHERE key = 'round'") == [(str(round_),)]


def test_notes_can_be_set_replaced_and_removed(store: JobStore) -> None:
    assert store.meta_get("paused") is None
    store.meta_set("paused", "maintenance")
    store.meta_set("paused", "still")
    assert store.meta_get("paused") == "still"
    store.meta_set("paused", None)
    assert store.meta_get("paused") is None


# --- health --------------------------------------------------------------------------------------


def test_check_finds_books_that_do_not_balance(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "harmonizer.db", HandClock())
    bring_to(store, S.DELIVERED)
    job = bring_to(store, S.QUEUED)
    assert store.check() == []

    sql(store, "UPDATE tally SET jobs = 5")
    sql(store, "UPDATE job SET state = 'running' WHERE id = ?", job.id)
    sql(store, "INSERT INTO known_file VALUES (1, 1, 999, 0)")

    assert len(store.check()) == 4  # miscounted, untold, unattended, pointing nowhere
    store.close()


def test_no_error_repeats_a_value_it_was_given(store: JobStore) -> None:
    canary = "Ada-Lovelace-1815"
    running = bring_to(store, S.RUNNING, source=canary.encode(), reason_note=canary)
    refusals = [
        Move(job=running, event=E.ATTEMPT_REFUSED, changes={"reason_note": canary}),
        Move(job=running, event=E.INPUT_CHANGED, changes={"sha256": canary}),
        Move(job=running, event=E.INPUT_CHANGED, changes={"parent_id": 999, "contract": canary}),
        Move(job=running, event=E.INPUT_CHANGED, changes={"source": canary}),
        Move(job=running, event=E.INPUT_CHANGED, detail={"x": canary}, outputs=OUTPUTS),
        Move(job=running, event=E.CLAIM_CONFIRMED, changes={"reason_note": canary}),
    ]
    for refusal in refusals:
        with pytest.raises((StateError, ValueError, InvalidTransition)) as caught:
            store.advance(refusal)
        assert canary not in "".join(_everything_said(caught.value))
    store.advance(move(running, E.INPUT_CHANGED))
    with pytest.raises(StaleJob) as stale:
        store.advance(move(running, E.INPUT_CHANGED, reason_note=canary))
    assert canary not in "".join(_everything_said(stale.value))


def _everything_said(error: BaseException | None) -> Iterator[str]:
    """The error and all that stands behind it, as a logger might print them."""
    while error is not None:
        yield f"{error!s} {error!r} {error.args}"
        error = error.__cause__ or error.__context__

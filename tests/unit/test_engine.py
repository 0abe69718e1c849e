"""The file underneath: locks, lost updates, kill -9, full disks, damage, permissions, backups."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import random
import resource
import signal
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.db import engine
from daemon.db.backup import backup_name, prune_backups
from daemon.db.errors import StaleJob, StateCorrupt, StateUnavailable
from daemon.db.opening import connect_to_read
from daemon.db.store import JobStore
from daemon.states import Disposition, JobEvent, JobState
from tests.unit.stored_jobs import HandClock, bring_to, deliver, intent, move, open_job

_SPAWN = multiprocessing.get_context("spawn")
S, E = JobState, JobEvent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "harmonizer.db"


@pytest.fixture
def store(path: Path) -> Iterator[JobStore]:
    store = JobStore(path, HandClock())
    yield store
    store.close()


# --- two writers ---------------------------------------------------------------------------------


def _count_up(path: Path, job_id: int, times: int, both_have_read: Any, stale: Any) -> None:
    """Read, add one, write; again when somebody else was quicker."""
    store = JobStore(path, time.time)
    for turn in range(times):
        for again in itertools.count():
            job = store.get(job_id)
            if turn == again == 0:
                both_have_read.wait(60)
            try:
                store.advance(move(job, E.INPUT_CHANGED, attempts=job.attempts + 1))
            except StaleJob:
                with stale.get_lock():
                    stale.value += 1
                continue
            break
    store.close()


@pytest.mark.slow
def test_two_processes_never_lose_an_update(path: Path, store: JobStore) -> None:
    job = bring_to(store, S.QUEUED)
    stale = _SPAWN.Value("i", 0)
    args = (path, job.id, 150, _SPAWN.Barrier(2), stale)
    writers = [_SPAWN.Process(target=_count_up, args=args) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert store.get(job.id).attempts == 300
    assert len(store.story(job.id)) == 302
    assert stale.value > 0, "the second to write must have been told that it was late"


def test_threads_of_one_process_share_a_store(store: JobStore) -> None:
    def work() -> None:
        for _ in range(10):
            deliver(store)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.counts_by_state()[S.DELIVERED] == 40
    assert store.check() == []


def test_a_reader_sees_every_commit_and_never_a_half_one(path: Path, store: JobStore) -> None:
    reader = JobStore.open_readonly(path, HandClock())
    first = open_job(store)
    assert reader.get(first.id) == first

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE job SET attempts = 7")
        assert reader.get(first.id) == first  # neither blocked nor misled
        other.execute("COMMIT")
    assert reader.get(first.id).attempts == 7
    reader.close()


def test_a_reader_cannot_write_even_by_mistake(path: Path, store: JobStore) -> None:
    with (
        closing(connect_to_read(path)) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("INSERT INTO meta VALUES ('a', 'b')")
    assert store.meta_get("a") is None


def test_a_reader_works_when_the_daemon_is_down_and_after_it_was_killed(path: Path) -> None:
    store = JobStore(path, HandClock())
    job = deliver(store)
    store.close()
    assert [name.name for name in path.parent.iterdir()] == [path.name]  # one file, all folded in
    reader = JobStore.open_readonly(path, HandClock())
    assert reader.get(job.id) == job
    reader.close()

    process = _SPAWN.Process(target=_die_with_an_open_log, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert path.with_name(path.name + "-wal").stat().st_size > 0

    reader = JobStore.open_readonly(path, HandClock())
    assert [job.id for job in reader.jobs()] == [2, 1]
    reader.close()


def _die_with_an_open_log(path: Path) -> None:
    deliver(JobStore(path, time.time))
    os.kill(os.getpid(), signal.SIGKILL)


# --- kill -9 -------------------------------------------------------------------------------------


def _work_until_killed(path: Path, committed: Any) -> None:
    """Groups of jobs through their whole lives; says what was committed, after it was."""
    store = JobStore(path, time.time)
    while True:
        jobs = store.open_jobs([intent() for _ in range(5)])
        for event, changes in (
            (E.CLAIM_CONFIRMED, {"sha256": "a" * 64}),
            (E.ATTEMPT_STARTED, {}),
            (E.ATTEMPT_SUCCEEDED, {"disposition": Disposition.DELIVERED}),
            (E.FINALIZED_DELIVERED, {}),
        ):
            jobs = store.advance_all([move(job, event, **changes) for job in jobs])
            committed.send([(job.id, job.events) for job in jobs])


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_whole_transactions(path: Path) -> None:
    moments = random.Random(20)
    seen: dict[int, int] = {}
    for _ in range(12):
        receiver, sender = _SPAWN.Pipe(duplex=False)
        worker = _SPAWN.Process(target=_work_until_killed, args=(path, sender))
        worker.start()
        sender.close()
        seen.update(receiver.recv())  # it works; now let it run a while
        time.sleep(moments.uniform(0.0, 0.15))
        worker.kill()
        worker.join()
        with contextlib.suppress(EOFError, OSError):  # its last words may be cut off
            while True:
                seen.update(receiver.recv())
        receiver.close()

        store = JobStore(path, HandClock())
        assert store.check() == []
        for job_id, events in seen.items():
            assert store.get(job_id).events >= events, "a commit was acknowledged and then lost"
        groups = [store.get(job_id).events for job_id in range(1, max(seen) + 1)]
        assert all(len(set(groups[n : n + 5])) == 1 for n in range(0, len(groups), 5))
        store.close()
    assert len(seen) > 100


# --- trouble with the surroundings ---------------------------------------------------------------


def test_a_locked_database_is_a_passing_trouble(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.05)
    store = JobStore(path, HandClock())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailable, match="locked"):
            open_job(store)
        assert store.jobs() == []  # reading goes on
        other.execute("ROLLBACK")

    assert open_job(store).id == 1
    store.close()


@contextlib.contextmanager
def no_file_may_grow_beyond(size_bytes: int) -> Iterator[None]:
    """What a full disk is to a writing program; SIGXFSZ is ignored by Python, write() fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_when_the_disk_is_full_nothing_is_half_recorded_and_work_goes_on_after(
    store: JobStore,
) -> None:
    job = bring_to(store, S.QUEUED)
    wal = store.path.with_name(store.path.name + "-wal")

    with no_file_may_grow_beyond(wal.stat().st_size):
        for _ in range(3):
            with pytest.raises(StateUnavailable, match="disk"):
                store.open_jobs([intent() for _ in range(200)])
            with pytest.raises(StateUnavailable, match="disk"):
                store.advance(move(job, E.ATTEMPT_STARTED))

    assert store.jobs() == [job]
    assert store.advance(move(job, E.ATTEMPT_STARTED)).state is S.RUNNING
    assert len(store.open_jobs([intent() for _ in range(200)])) == 200
    assert store.check() == []


def test_a_folder_that_cannot_be_made_is_named_as_the_trouble(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a folder")

    with pytest.raises(StateUnavailable, match="cannot be created"):
        JobStore(tmp_path / "state" / "harmonizer.db", HandClock())


def test_a_file_that_is_no_database_is_called_damaged(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"name,born\nAda Lovelace,1815\n" * 400)

    for attempt in (JobStore, JobStore.open_readonly):
        with pytest.raises(StateCorrupt, match="damaged") as refusal:
            attempt(path, HandClock())
        assert "backup" in refusal.value.hint
        assert "Ada" not in str(refusal.value)


def test_damage_inside_the_file_is_found_and_refused(path: Path, tmp_path: Path) -> None:
    store = JobStore(path, HandClock())
    store.open_jobs([intent(b"Ada-%d" % n) for n in range(2000)])
    store.close()
    good = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(good // 4096 // 2 * 4096)
        file.write(b"\xa5" * 4096 * 8)

    store = JobStore(path, HandClock())
    try:
        assert any("damaged" in problem for problem in _problems(store))
        backup = tmp_path / "backup.db"
        backup.write_text("an older one, that was good")
        with pytest.raises(StateCorrupt):
            store.backup_to(backup)
        assert backup.read_text() == "an older one, that was good"
        assert [name.name for name in tmp_path.iterdir() if "partial" in name.name] == []
    finally:
        store.close()


def _problems(store: JobStore) -> list[str]:
    try:
        return store.check()
    except StateCorrupt as error:  # damage may be so bad that the check itself cannot go on
        return [str(error)]


# --- for whose eyes ------------------------------------------------------------------------------


def test_nobody_else_may_read_the_state(path: Path) -> None:
    umask = os.umask(0)
    try:
        store = JobStore(path, HandClock())
        deliver(store)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        folder = stat.S_IMODE(path.parent.stat().st_mode)
        store.backup_to(path.parent / "backups" / backup_name(0.0))
    finally:
        os.umask(umask)
    store.close()

    assert modes == dict.fromkeys([path.name, f"{path.name}-wal", f"{path.name}-shm"], 0o600)
    assert folder == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in (path.parent / "backups").iterdir()} == {0o600}


def test_permissions_that_are_too_wide_are_narrowed_at_the_next_start(path: Path) -> None:
    JobStore(path, HandClock()).close()
    path.chmod(0o644)
    path.parent.chmod(0o755)

    JobStore(path, HandClock()).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["a b%20c?mode=memory#x", "ünïcode", "it's", os.fsdecode(b"\xff")])
def test_the_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "harmonizer.db"

    store = JobStore(path, HandClock())
    job = deliver(store)
    store.close()

    reader = JobStore.open_readonly(path, HandClock())
    assert reader.get(job.id) == job
    reader.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_who_may_only_read_can_still_look() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "harmonizer.db"
        store = JobStore(path, HandClock())
        job = deliver(store)
        store.close()
        path.chmod(0o644)
        folder.chmod(0o755)
        os.seteuid(65534)
        try:
            reader = JobStore.open_readonly(path, HandClock())
            assert reader.get(job.id) == job
            reader.close()
            assert [file.name for file in folder.iterdir()] == [path.name]
        finally:
            os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_who_may_not_look_is_told_as_whom_to_try() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "state" / "harmonizer.db"
        JobStore(path, HandClock()).close()
        os.seteuid(65534)
        try:
            with pytest.raises(StateUnavailable, match="as the service's own user"):
                JobStore.open_readonly(path, HandClock())
        finally:
            os.seteuid(0)


# --- backups -------------------------------------------------------------------------------------


def test_a_backup_is_a_whole_database_of_one_moment(store: JobStore, tmp_path: Path) -> None:
    job = deliver(store)
    backup = tmp_path / "backups" / backup_name(1_700_000_000.0)

    store.backup_to(backup)
    deliver(store)

    assert [file.name for file in backup.parent.iterdir()] == ["harmonizer-20231114T221320Z.db"]
    copy = JobStore.open_readonly(backup, HandClock())
    assert copy.check() == []
    assert copy.jobs() == [job]
    copy.close()


def test_a_backup_can_take_the_place_of_the_state(path: Path, tmp_path: Path) -> None:
    store = JobStore(path, HandClock())
    job = deliver(store)
    store.backup_to(tmp_path / "backup.db")
    store.close()
    path.unlink()
    (tmp_path / "backup.db").rename(path)

    store = JobStore(path, HandClock())
    store.skip_ids(9)
    assert store.get(job.id) == job
    assert deliver(store).id == 10
    store.close()


def test_backups_succeed_while_the_daemon_writes(store: JobStore, tmp_path: Path) -> None:
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            deliver(store)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(5):
            store.backup_to(tmp_path / f"{n}.db")
    finally:
        over.set()
        writer.join()

    for n in range(5):
        copy = JobStore.open_readonly(tmp_path / f"{n}.db", HandClock())
        assert copy.check() == []
        copy.close()


def test_a_backup_that_cannot_be_written_leaves_nothing(store: JobStore, tmp_path: Path) -> None:
    store.open_jobs([intent() for _ in range(2000)])
    folder = tmp_path / "backups"

    with no_file_may_grow_beyond(64 * 1024), pytest.raises(StateUnavailable, match="disk"):
        store.backup_to(folder / "a.db")

    assert list(folder.iterdir()) == []
    store.backup_to(folder / "a.db")
    assert [file.name for file in folder.iterdir()] == ["a.db"]


def test_only_the_oldest_backups_are_pruned_and_nothing_else(tmp_path: Path) -> None:
    names = [backup_name(86_400.0 * day) for day in (3, 1, 2, 4)]
    for name in [*names, "harmonizer.db", "my-own-copy.db", "harmonizer-x.db"]:
        (tmp_path / name).touch()

    removed = prune_backups(tmp_path, keep=2)

    assert [path.name for path in removed] == [names[1], names[2]]
    assert {path.name for path in tmp_path.iterdir()} == {
        names[0],
        names[3],
        "harmonizer.db",
        "my-own-copy.db",
        "harmonizer-x.db",
    }
    assert prune_backups(tmp_path / "missing", keep=2) == []
    assert len(prune_backups(tmp_path, keep=0)) == 2


# --- the plan SQLite makes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("state = 'quarantined' AND id < 9000 ORDER BY id DESC", "job_by_state"),
        ("contract = 'vitals' ORDER BY id DESC", "job_by_contract"),
        ("contract = 'vitals' AND state = 'held' ORDER BY id DESC", "job_by_contract_and_state"),
        ("reason_code = 'EMPTY' ORDER BY id DESC", "job_by_reason"),
        ("source = x'00' ORDER BY id DESC", "job_by_source"),
        ("parent_id = 1 ORDER BY id", "job_by_parent"),
        ("sha256 = 'a' AND state = 'delivered'", "job_delivered_bytes"),
        ("sha256 = 'a' AND state = 'quarantined'", "job_quarantined_bytes"),
    ],
)
def test_frequent_questions_use_an_index_and_need_no_sort(
    store: JobStore, question: str, index: str
) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        explained = f"EXPLAIN QUERY PLAN SELECT * FROM job WHERE {question}"  # noqa: S608 - ours
        plan = [row[-1] for row in connection.execute(explained)]

    assert len(plan) == 1
    assert f"INDEX {index} (" in plan[0]

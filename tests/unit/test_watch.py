"""The watcher with real inotify. Waits are for events, with generous ends; nothing sleeps."""

from __future__ import annotations

import errno
import os
import queue
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyEvent, InotifyFD

from daemon.inbox.watch import InboxWatcher

PATIENCE_S = 30.0


class Wakes:
    """Collects what the watcher says."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[tuple[bytes | None, bool]] = queue.SimpleQueue()

    def __call__(self, source: bytes | None, renamed: bool) -> None:
        self._said.put((source, renamed))

    def until(self, wanted: tuple[bytes | None, bool]) -> list[tuple[bytes | None, bool]]:
        """Everything said up to and including `wanted`."""
        said: list[tuple[bytes | None, bool]] = []
        while not said or said[-1] != wanted:
            said.append(self._said.get(timeout=PATIENCE_S))
        return said


def eventually(is_true: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        if is_true():
            return True
        time.sleep(0.01)
    return False


def reader_of(watcher: InboxWatcher) -> InotifyFD:
    """The library's thread that reads the kernel's events."""
    assert watcher._observer is not None
    return watcher._observer._inotify_fd


def descriptors_in_use() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


@pytest.fixture
def watcher(inbox: Path, wakes: Wakes) -> Iterator[InboxWatcher]:
    watcher = InboxWatcher(inbox, wakes, canary_interval_s=60, canary_deadline_s=10, retry_s=60)
    yield watcher
    watcher.stop()


def test_a_file_that_was_written_and_closed_wakes(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:
    assert watcher.start(0.0).state == "watching"
    (inbox / "a.csv").write_text("x")
    wakes.until((b"a.csv", False))


def test_a_file_moved_in_from_outside_wakes_as_renamed(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:  # hazard 4
    watcher.start(0.0)
    (inbox.parent / "a.csv").write_text("x")
    (inbox.parent / "a.csv").rename(inbox / "a.csv")
    wakes.until((b"a.csv", True))


def test_a_temporary_name_is_silent_and_its_final_name_wakes(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:  # hazards 6, 11
    watcher.start(0.0)
    (inbox / ".a.csv.MONUtK").write_text("x")
    (inbox / ".a.csv.MONUtK").rename(inbox / "a.csv")
    assert wakes.until((b"a.csv", True)) == [(b"a.csv", True)]


def test_a_file_that_leaves_is_silent(watcher: InboxWatcher, wakes: Wakes, inbox: Path) -> None:
    (inbox / "a.csv").write_text("x")
    watcher.start(0.0)
    (inbox / "a.csv").rename(inbox.parent / "a.csv")  # as each does that is claimed
    (inbox / "b.csv").write_text("x")
    assert wakes.until((b"b.csv", False)) == [(b"b.csv", False)]


def test_names_that_are_not_utf_8_arrive_as_they_are(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:  # hazard 54
    watcher.start(0.0)
    Path(os.fsdecode(os.fsencode(inbox) + b"/\xff\n.csv")).write_text("x")
    wakes.until((b"\xff\n.csv", False))


def test_sub_folders_are_watched_also_when_they_come_later(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:  # hazards 48, 49
    watcher.start(0.0)
    (inbox.parent / "labs").mkdir()
    (inbox.parent / "labs").rename(inbox / "labs")
    wakes.until((None, False))
    (inbox / "labs" / "a.csv").write_text("x")
    wakes.until((b"labs/a.csv", False))


def test_reading_and_probing_are_silent(watcher: InboxWatcher, wakes: Wakes, inbox: Path) -> None:
    (inbox / "a.csv").write_text("x")
    watcher.start(0.0)
    (inbox / "a.csv").read_text()
    (inbox / "a.csv").chmod(0o600)
    (inbox / "b.csv").write_text("x")
    assert wakes.until((b"b.csv", False)) == [(b"b.csv", False)]


def test_a_canary_proves_that_it_still_sees_and_leaves_nothing_behind(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:
    watcher.start(0.0)
    watcher.check(1.0)
    (inbox / "a.csv").write_text("x")
    assert wakes.until((b"a.csv", False)) == [(b"a.csv", False)]  # the canary wakes nobody
    assert watcher.check(50.0).state == "watching"  # its event came before the file's
    assert [path.name for path in inbox.iterdir()] == ["a.csv"]


def test_a_watcher_that_went_blind_is_found_out_and_replaced(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:  # hazard 89
    watcher.start(0.0)
    reader_of(watcher).stop()  # the library's own thread dies; all its objects say they live
    watcher.check(1.0)
    assert watcher.check(5.0).state == "watching"  # not late yet
    health = watcher.check(12.0)
    assert health.state == "blind"
    assert "no event" in health.why
    wakes.until((None, False))  # look yourself, meanwhile
    assert eventually(lambda: watcher.check(13.0).state == "watching")
    (inbox / "a.csv").write_text("x")
    wakes.until((b"a.csv", False))


def test_an_inbox_deleted_and_made_anew_is_watched_again(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:  # hazard 83
    watcher.start(0.0)
    shutil.rmtree(inbox)
    health = watcher.check(1.0)
    assert health.state in ("blind", "off")
    assert "not there" in health.why
    inbox.mkdir()
    assert watcher.check(2.0).state == "watching"
    wakes.until((None, False))
    (inbox / "a.csv").write_text("x")
    wakes.until((b"a.csv", False))


def test_an_inbox_replaced_by_rename_is_watched_and_the_old_one_is_not(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:  # hazard 84
    watcher.start(0.0)
    before = watcher.identity()
    inbox.rename(inbox.with_name("old"))
    inbox.mkdir()
    assert watcher.check(1.0).state == "watching"
    assert watcher.identity() == (inbox.stat().st_dev, inbox.stat().st_ino) != before
    wakes.until((None, False))
    (inbox.with_name("old") / "old.csv").write_text("x")
    (inbox / "a.csv").write_text("x")
    assert (b"old.csv", False) not in wakes.until((b"a.csv", False))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_an_inbox_mounted_over_is_watched_again(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path
) -> None:  # hazards 80, 82
    watcher.start(0.0)
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(inbox)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        assert watcher.check(1.0).state == "watching"
        (inbox / "a.csv").write_text("x")
        wakes.until((b"a.csv", False))
    finally:
        watcher.stop()
        subprocess.run(["umount", str(inbox)], check=True)


def test_a_receiver_that_raises_does_not_end_the_events(inbox: Path) -> None:  # hazard 88
    seen: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def receive(source: bytes | None, renamed: bool) -> None:
        seen.put(source)
        raise ValueError("a bug")

    watcher = InboxWatcher(inbox, receive)
    watcher.start(0.0)
    try:
        for name in ("a.csv", "b.csv"):
            (inbox / name).write_text("x")
            while seen.get(timeout=PATIENCE_S) != name.encode():
                pass
        assert watcher.faults == 2 or eventually(lambda: watcher.faults == 2)
    finally:
        watcher.stop()


def test_an_overflow_of_the_kernels_queue_asks_for_a_scan(
    watcher: InboxWatcher, wakes: Wakes, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # hazard 79
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip("the kernel's queue is too long to overflow in a test")
    stalled, go_on = threading.Event(), threading.Event()
    watcher.start(0.0)
    reader = reader_of(watcher)
    handle = reader.handle_event

    def stall(event: InotifyEvent) -> None:  # the reader is kept from reading, as by SIGSTOP
        stalled.set()
        go_on.wait(PATIENCE_S)
        handle(event)

    monkeypatch.setattr(reader, "handle_event", stall)
    (inbox / "first.csv").write_text("x")
    assert stalled.wait(PATIENCE_S)
    for number in range(limit // 2 + 100):
        (inbox / f"{number}.csv").touch()
    go_on.set()
    wakes.until((None, False))
    assert watcher.overflows == 1


def test_a_missing_inbox_is_said_and_watched_as_soon_as_it_is_there(tmp_path: Path) -> None:
    wakes = Wakes()
    watcher = InboxWatcher(tmp_path / "inbox", wakes)
    health = watcher.start(0.0)
    assert (health.state, health.since_s) == ("off", 0.0)
    assert "not there" in health.why
    assert watcher.check(1.0).state == "off"
    (tmp_path / "inbox").mkdir()
    assert watcher.check(2.0).state == "watching"
    (tmp_path / "inbox" / "a.csv").write_text("x")
    wakes.until((b"a.csv", False))
    watcher.stop()


def test_without_file_descriptors_the_daemon_goes_on_by_scanning_alone(
    watcher: InboxWatcher, inbox: Path
) -> None:  # hazard 90
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    import watchdog.observers.inotify  # noqa: F401 - loading it takes descriptors too

    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        health = watcher.start(0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert health.state == "off"
    assert "limit" in health.why or os.strerror(errno.EMFILE) in health.why
    assert watcher.check(30.0).state == "off"  # not tried again at once
    assert watcher.check(60.0).state == "watching"


def test_an_inbox_that_cannot_be_written_cannot_prove_the_watcher(
    watcher: InboxWatcher, inbox: Path
) -> None:
    watcher.start(0.0)
    inbox.chmod(0o500)
    if os.access(inbox, os.W_OK):
        pytest.skip("this process may write anywhere")
    health = watcher.check(1.0)
    inbox.chmod(0o700)
    assert health.state == "blind"
    assert "cannot be written" in health.why


def test_a_pipe_in_the_canarys_place_does_not_hang_the_daemon(
    watcher: InboxWatcher, inbox: Path
) -> None:
    os.mkfifo(inbox / ".harmonizer-canary")
    watcher.start(0.0)
    assert watcher.check(1.0).state == "blind"


def test_start_and_stop_may_be_repeated_and_leave_no_thread_and_no_descriptor(
    watcher: InboxWatcher,
) -> None:
    watcher.start(0.0)
    watcher.stop()
    threads, descriptors = threading.active_count(), descriptors_in_use()
    for _ in range(3):
        watcher.start(0.0)
        watcher.start(0.0)
        watcher.stop()
        watcher.stop()
    assert threading.active_count() == threads
    assert descriptors_in_use() == descriptors
    assert watcher.health.state == "off"
    assert watcher.identity() is None

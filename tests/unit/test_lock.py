"""One daemon a folder, proven with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.lock import DaemonLock, LockHeld, daemon_pid

HOLD = (
    "import sys\nfrom pathlib import Path\nfrom daemon.lock import DaemonLock\n"
    "DaemonLock(Path(sys.argv[1])).acquire()\nprint(flush=True)\ninput()"
)


def test_a_second_daemon_is_refused_and_told_who_is_first(tmp_path: Path) -> None:  # hazard 107
    with DaemonLock(tmp_path), pytest.raises(LockHeld) as caught:
        DaemonLock(tmp_path).acquire()
    assert caught.value.pid == os.getpid()


def test_who_asks_learns_whether_a_daemon_is_up(tmp_path: Path) -> None:
    assert daemon_pid(tmp_path) is None
    with DaemonLock(tmp_path):
        assert daemon_pid(tmp_path) == os.getpid()
        assert daemon_pid(tmp_path) == os.getpid()  # asking does not take the lock
    assert daemon_pid(tmp_path) is None
    DaemonLock(tmp_path).acquire()


def test_kill_9_releases_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        first.stdout.readline()
        assert daemon_pid(tmp_path) == first.pid
        with pytest.raises(LockHeld):
            DaemonLock(tmp_path).acquire()
        first.send_signal(signal.SIGKILL)
    assert daemon_pid(tmp_path) is None
    with DaemonLock(tmp_path):
        assert daemon_pid(tmp_path) == os.getpid()


def test_acquire_and_release_may_be_repeated(tmp_path: Path) -> None:
    lock = DaemonLock(tmp_path)
    lock.acquire()
    lock.acquire()
    lock.release()
    lock.release()
    lock.acquire()
    assert daemon_pid(tmp_path) == os.getpid()
    lock.release()


def test_the_lock_file_is_private_and_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    with DaemonLock(tmp_path):
        assert (tmp_path / "daemon.lock").stat().st_mode & 0o777 == 0o600
    (tmp_path / "daemon.lock").unlink()
    (tmp_path / "victim").write_text("keep")
    (tmp_path / "daemon.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        DaemonLock(tmp_path).acquire()
    assert (tmp_path / "victim").read_text() == "keep"


def test_deleting_the_note_lets_no_second_daemon_in(tmp_path: Path) -> None:
    with DaemonLock(tmp_path):
        (tmp_path / "daemon.lock").unlink()
        with pytest.raises(LockHeld):
            DaemonLock(tmp_path).acquire()
        assert daemon_pid(tmp_path) == 0  # somebody holds it; who, is no longer told
    assert daemon_pid(tmp_path) is None


def test_the_lock_holds_over_another_path_to_the_folder(tmp_path: Path) -> None:
    work, link = tmp_path / "work", tmp_path / "link"
    work.mkdir()
    link.symlink_to(work)
    with DaemonLock(work), pytest.raises(LockHeld):
        DaemonLock(link).acquire()

"""A daemon that is killed again and again: innocent files are not blamed, and recovery shows."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from daemon.db.records import ClaimIntent, Move, Owner
from daemon.db.store import JobStore
from daemon.folders.files import fingerprint_of
from daemon.folders.spool import Spool
from daemon.settings import Settings
from daemon.starting import folders_of
from daemon.states import JobEvent
from tests.system.harness import Service, patients

pytestmark = pytest.mark.slow

KILLS = 4  # one more than there are attempts
MANY = 1_500


def test_a_file_at_work_while_the_daemon_is_killed_again_and_again_is_not_blamed(
    tmp_path: Path,
) -> None:
    daemon = Service(tmp_path / "root", HARMONIZER_WORKERS__COUNT="1")
    work = daemon.root / "work"
    content = patients(150_000)
    try:
        daemon.start()
        (daemon.inbox / "long.csv").write_text(content)
        for _ in range(KILLS):
            daemon.until(lambda: list(work.glob("j*/attempt-*.begun")))
            daemon.kill()
            end_s = time.monotonic() + 60
            while not list(work.glob("j*/attempt-*.outlived")):
                assert time.monotonic() < end_s, "its worker notes that it outlived the daemon"
                time.sleep(0.02)
            daemon.start()
        daemon.until_finished(1)
        [job] = daemon.finished()
        assert job["state"] == "delivered"
        assert daemon.originals() == {"long.csv": content.encode()}
    finally:
        daemon.end()


def interrupted(root: Path) -> None:
    """Leave the state of a daemon that was lost with many attempts open."""
    settings = Settings(root=root)
    spool, store = Spool(folders_of(settings), ()), JobStore(settings.state_path, time.time)
    store.meta_set("adopted", "yes")
    intents = []
    for number in range(MANY):
        path = root / "inbox" / f"{number}.csv"
        path.write_text(patients(1, first=number))
        seen = path.lstat()
        owner = Owner(uid=seen.st_uid, gid=seen.st_gid, mode=seen.st_mode)
        intents.append(
            ClaimIntent(
                source=os.fsencode(path.name), fingerprint=fingerprint_of(seen), owner=owner
            )
        )
    jobs = store.open_jobs(intents)
    for job in jobs:
        spool.input_dir(job.id).mkdir(parents=True)
        (root / "inbox" / os.fsdecode(job.source)).rename(spool.input_path(job))
    hashed = [
        Move(job=j, event=JobEvent.CLAIM_CONFIRMED, changes={"sha256": f"{j.id:064x}"})
        for j in jobs
    ]
    started = [
        Move(job=job, event=JobEvent.ATTEMPT_STARTED, changes={"attempts": 1})
        for job in store.advance_all(hashed)
    ]
    store.advance_all(started)
    store.close()


def test_the_recovery_of_many_live_jobs_shows_its_progress_to_systemd(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(60)
        daemon = Service(tmp_path / "root", NOTIFY_SOCKET=str(address))
        interrupted(daemon.root)
        try:
            daemon.launch()
            told: list[str] = []
            while "READY=1" not in told:
                told.append(systemd.recv(4096).decode())
        finally:
            daemon.end()
    steps = [line for line in told if line.startswith("STATUS=recovering")]
    assert steps[0] == f"STATUS=recovering 0 of {MANY} jobs"
    assert f"STATUS=recovering 500 of {MANY} jobs" in steps
    assert steps[-1] == f"STATUS=recovering {MANY} of {MANY} jobs"
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in told)

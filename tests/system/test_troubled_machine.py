"""The machine refuses: full disks, no inodes, a locked state database, no descriptors.

Each test makes the trouble for real, sees it explained and sat out without haste, ends it, and
finds every file delivered by the same process.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.system.harness import Service, patients, service
from tests.system.mounts import private_mounts, tmpfs

pytestmark = pytest.mark.slow

MB = 1024 * 1024
_BUSY_S = 3.0  # how long each trouble is watched
_MOST_CPU = 0.3  # of one processor, while nothing can be done
_MOST_LOG_BYTES = 10_000 * _BUSY_S


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A root on a filesystem of 24 MB."""
    with private_mounts():
        tmpfs(tmp_path / "disk", "size=24m")
        yield tmp_path / "disk" / "root"


def fill(folder: Path, leave_bytes: int = 0) -> Path:
    """Take all the space there is, but for so much."""
    filler = folder / "filler"
    with filler.open("wb") as stream:
        seen = os.statvfs(folder)
        stream.write(bytes(max(0, seen.f_bavail * seen.f_frsize - leave_bytes)))
        while not leave_bytes:
            try:
                os.write(stream.fileno(), bytes(4096))
            except OSError:
                break
    return filler


def sits_it_out(daemon: Service) -> None:
    """Nothing spins and nothing babbles."""
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    before, said = process.cpu_times(), daemon.output.stat().st_size
    time.sleep(_BUSY_S)
    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system < _MOST_CPU * _BUSY_S
    assert daemon.output.stat().st_size - said < _MOST_LOG_BYTES


def troubles(daemon: Service) -> str:
    return " ".join(trouble["what"] for trouble in daemon.page().get("troubles", ()))


def test_nothing_is_taken_while_a_disk_is_nearly_full(small: Path) -> None:
    with service(small) as daemon:
        filler = fill(small.parent, leave_bytes=MB // 2)
        daemon.until(lambda: "is nearly full" in troubles(daemon))
        (daemon.inbox / "a.csv").write_text(patients(3))
        daemon.until(lambda: daemon.page()["waiting"]["count"] == 1)
        sits_it_out(daemon)
        assert (daemon.inbox / "a.csv").exists()
        assert "nearly full" in daemon.ask("why", str(daemon.inbox / "a.csv"))["why"]
        filler.unlink()
        daemon.until_finished(1)
        assert troubles(daemon) == ""
        assert list(daemon.originals()) == ["a.csv"]


def test_a_file_too_big_for_the_free_space_waits_and_holds_up_no_other(small: Path) -> None:
    with service(small) as daemon:
        big = daemon.inbox / "big.csv"
        filler = fill(small.parent, leave_bytes=16 * MB)
        big.write_text("colour,shape\n" + "red,round\n" * 800_000)  # 8 MB, soon refused
        (daemon.inbox / "a.csv").write_text(patients(3))
        daemon.until_finished(1)
        assert "not enough space to work on it" in daemon.ask("why", str(big))["why"]
        assert big.exists()
        filler.unlink()
        daemon.until_finished(2)
        assert sorted(job["state"] for job in daemon.jobs()) == ["delivered", "quarantined"]


def test_nothing_is_taken_while_a_disk_can_hold_no_more_files(tmp_path: Path) -> None:
    with private_mounts():
        tmpfs(tmp_path / "disk", "size=24m,nr_inodes=400")
        with service(tmp_path / "disk" / "root") as daemon:
            crowd = daemon.root.parent / "crowd"
            crowd.mkdir()
            made = 0
            while os.statvfs(crowd).f_favail > 10:
                (crowd / str(made)).touch()
                made += 1
            daemon.until(lambda: "hardly any more files" in troubles(daemon))
            (daemon.inbox / "a.csv").write_text(patients(3))
            daemon.until(lambda: daemon.page()["waiting"]["count"] == 1)
            for number in range(made):
                (crowd / str(number)).unlink()
            daemon.until_finished(1)
            assert daemon.jobs()[0]["state"] == "delivered"


def test_a_full_disk_under_everything_loses_nothing_and_heals(small: Path) -> None:
    """Without the guard: whatever meets the full disk, the state database included."""
    with service(small, HARMONIZER_INTAKE__MIN_FREE_MB="0") as daemon:
        (daemon.inbox / "a.csv").write_text(patients(400))
        (daemon.inbox / "b.csv").write_text(patients(400, first=1000))
        daemon.until(lambda: daemon.page()["waiting"]["count"] or daemon.page()["jobs"])
        filler = fill(small.parent)
        daemon.until(lambda: troubles(daemon) or daemon.page()["jobs"].get("delivered") == 2)
        sits_it_out(daemon)
        filler.unlink()
        daemon.until_finished(2)
        assert {job["state"] for job in daemon.jobs()} == {"delivered"}
        assert sorted(daemon.originals()) == ["a.csv", "b.csv"]
        assert daemon.leftovers() == []


def test_a_full_outbox_is_waited_for(tmp_path: Path) -> None:
    with private_mounts():
        root = tmp_path / "root"
        tmpfs(root / "outbox", "size=1m")
        with service(root, HARMONIZER_INTAKE__MIN_FREE_MB="0") as daemon:
            filler = fill(root / "outbox")
            (daemon.inbox / "a.csv").write_text(patients(40))
            daemon.until(lambda: "No space left on device" in troubles(daemon))
            sits_it_out(daemon)
            assert list((root / "outbox").rglob("*.csv")) == [], "nothing is half there"
            filler.unlink()
            daemon.until_finished(1)
            assert len(list((root / "outbox").glob("patients/*/patients.csv"))) == 1
            assert list(daemon.originals()) == ["a.csv"]


def test_a_locked_state_database_stops_claims_until_it_is_free(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        state = daemon.root / "work/state/harmonizer.db"
        with closing(sqlite3.connect(state, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            (daemon.inbox / "a.csv").write_text(patients(3))
            daemon.until(lambda: "another process keeps it locked" in troubles(daemon))
            assert daemon.page()["waiting"]["count"] == 1
            assert (daemon.inbox / "a.csv").exists(), "nothing is taken that cannot be recorded"
            sits_it_out(daemon)
            other.execute("ROLLBACK")
        daemon.until_finished(1)
        assert "locked" not in troubles(daemon)
        assert list(daemon.originals()) == ["a.csv"]


def test_a_service_that_starts_while_the_state_is_locked_waits_for_it(tmp_path: Path) -> None:
    daemon = Service(tmp_path / "root")
    state = daemon.root / "work/state/harmonizer.db"
    (daemon.inbox / "a.csv").write_text(patients(3))
    daemon.command("run", "--adopt", "--until-idle")
    try:
        with closing(sqlite3.connect(state, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            (daemon.inbox / "b.csv").write_text(patients(3, first=10))
            daemon.launch()
            daemon.until(lambda: "cannot start yet" in daemon.said())
            other.execute("ROLLBACK")
        daemon.until(lambda: daemon.page().get("jobs", {}).get("delivered") == 2)
    finally:
        daemon.end()


def test_a_daemon_without_descriptors_goes_on_when_it_has_some(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        assert daemon.process is not None
        pid = daemon.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, hard))
        (daemon.inbox / "a.csv").write_text(patients(3))
        sits_it_out(daemon)
        assert daemon.process.poll() is None
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        daemon.until_finished(1)
        assert list(daemon.originals()) == ["a.csv"]


def test_a_damaged_state_database_is_not_started_again_and_again(tmp_path: Path) -> None:
    daemon = Service(tmp_path / "root")
    state = daemon.root / "work/state/harmonizer.db"
    daemon.command("run", "--until-idle")
    state.write_bytes(b"not a database" * 1000)
    daemon.launch()
    assert daemon.process is not None
    assert daemon.process.wait(60) == 78, "one of RestartPreventExitStatus in the unit"
    assert "is damaged" in daemon.said()
    assert "backup" in daemon.said()

"""What an ordinary user may and may not do, and what nobody else may see."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.harness import Service, patients
from tests.system.ordinary import (
    REPOSITORY,
    USER,
    as_nobody,
    interpreter,
    ordinary_folder,
    ordinary_service,
)

pytestmark = pytest.mark.slow

NEEDS_NO_ROOT = (  # what root cannot show, since root may do everything
    "tests/unit/test_spool.py::test_a_file_that_may_not_be_taken_is_refused_with_what_to_do",
    "tests/unit/test_scan.py::test_a_folder_that_cannot_be_read_is_reported_and_the_others_are_scanned",
    "tests/unit/test_watch.py::test_an_inbox_that_cannot_be_written_cannot_prove_the_watcher",
)


@pytest.fixture(scope="module")
def nobodys() -> Iterator[Service]:
    """A daemon of `nobody`, with an inbox that everybody may write to."""
    with ordinary_service(HARMONIZER_INTAKE__NO_LEASE_QUIET_PERIOD_S="1") as made:
        made.inbox.chmod(0o777)
        made.start()
        yield made


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_root_cannot_show_holds_for_an_ordinary_user() -> None:
    python, environment = interpreter()
    with ordinary_folder() as base:
        words = [*as_nobody(), python, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*words, f"--basetemp={base / 'temp'}", *NEEDS_NO_ROOT],
            env={**os.environ, **environment},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(NEEDS_NO_ROOT)} passed" in done.stdout
    assert "skipped" not in done.stdout


def test_the_daemon_is_an_ordinary_user_and_its_state_is_private(nobodys: Service) -> None:
    assert nobodys.process is not None
    status = Path(f"/proc/{nobodys.process.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert status.split("Uid:")[1].split()[0] != "0"
    (nobodys.inbox / "mine.csv").write_text(patients(3, first=10))
    nobodys.until(lambda: state_of(nobodys, "mine.csv") == "delivered")
    work = nobodys.root / "work"
    assert mode_of(work) == 0o700
    for path in work.iterdir():
        assert not mode_of(path) & 0o007, path
    assert mode_of(work / "state") == 0o700
    for path in (work / "state").rglob("*"):
        assert mode_of(path) == (0o700 if path.is_dir() else 0o600), path
    assert mode_of(work / "daemon.lock") == 0o600


def test_a_file_of_somebody_else_that_may_be_read_is_delivered(nobodys: Service) -> None:
    path = nobodys.inbox / "of-root.csv"
    path.write_text(patients(3, first=20))
    path.chmod(0o644)
    nobodys.until(lambda: state_of(nobodys, "of-root.csv") == "delivered")


def state_of(daemon: Service, source: str) -> str | None:
    found = [job["state"] for job in daemon.jobs() if job["source"] == source]
    return found[0] if found else None


def test_a_file_that_may_not_be_read_waits_until_it_may(nobodys: Service) -> None:
    path = nobodys.inbox / "closed.csv"
    path.write_text(patients(3, first=30))
    path.chmod(0o600)
    nobodys.until(lambda: "may not read it" in nobodys.ask("why", str(path))["why"])
    time.sleep(1.5)
    assert state_of(nobodys, "closed.csv") is None
    mode = "UNREADABLE: owner uid 0, mode 0600"  # told anew if it was tried before the chmod
    nobodys.until(lambda: mode in nobodys.ask("why", str(path))["why"])
    path.chmod(0o644)
    nobodys.until(lambda: state_of(nobodys, "closed.csv") == "delivered")


def test_a_folder_that_may_not_be_entered_is_said(nobodys: Service) -> None:
    folder = nobodys.inbox / "closed ward"
    folder.mkdir(mode=0o700)
    (folder / "a.csv").write_text(patients(3, first=40))
    nobodys.until(lambda: nobodys.page()["scan"]["unreadable"] == ["closed ward"])
    assert "closed ward" in nobodys.command("status")
    folder.chmod(0o777)
    nobodys.until(lambda: state_of(nobodys, "closed ward/a.csv") == "delivered")
    folder.rmdir()


def test_in_a_sticky_inbox_what_cannot_be_taken_waits_and_fills_no_history(
    nobodys: Service,
) -> None:
    folder = nobodys.inbox / "sticky"
    folder.mkdir()
    folder.chmod(0o1777)
    path = folder / "a.csv"
    path.write_text(patients(3, first=50))
    path.chmod(0o644)
    nobodys.until(lambda: "sticky" in nobodys.ask("why", str(path))["why"])
    time.sleep(1.5)
    assert state_of(nobodys, "sticky/a.csv") is None
    folder.chmod(0o777)
    nobodys.until(lambda: state_of(nobodys, "sticky/a.csv") == "delivered")
    nobodys.inbox.chmod(0o1777)
    shutil.chown(nobodys.inbox, "root")
    found = {one["check"]: one for one in nobodys.ask_anyway("doctor")}
    assert found["folders"]["level"] == "error"
    assert "sticky" in found["folders"]["finding"]
    shutil.chown(nobodys.inbox, USER)
    nobodys.inbox.chmod(0o777)


def test_the_doctor_finds_an_ordinary_user_and_private_state(nobodys: Service) -> None:
    found = {one["check"]: one for one in nobodys.ask_anyway("doctor")}
    assert {one["check"] for one in found.values() if one["level"] == "error"} == set()
    assert found["user"]["level"] == "ok"
    assert "CAP_LEASE" in found["leases"]["advice"]
    (nobodys.root / "work").chmod(0o755)
    found = {one["check"]: one for one in nobodys.ask_anyway("doctor")}
    assert found["privacy"]["level"] == "error"
    assert "chmod 0700" in found["privacy"]["advice"]
    (nobodys.root / "work").chmod(0o700)


def test_mode_and_group_of_what_is_published_can_be_set(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give files to another group")
    group = 12_345
    settings = {"HARMONIZER_OUTPUT__GROUP": str(group), "HARMONIZER_OUTPUT__FILE_MODE": "0660"}
    made = Service(tmp_path / "root", HARMONIZER_SERVICE__UMASK="0007", **settings)
    (made.inbox / "good.csv").write_text(patients(3))
    (made.inbox / "bad.csv").write_text("colour,shape\nred,round\n")
    made.command("run", "--until-idle", "--adopt")
    published = [
        path for name in ("outbox", "archive", "error") for path in (made.root / name).rglob("*")
    ]
    assert len(published) > 8
    for path in published:
        assert path.stat().st_gid == group, path
    papers = {"patients.csv", "report.json", "REASON.txt", "job.json", "INDEX.csv"}
    for path in published:
        if path.name in papers:
            assert mode_of(path) == 0o660, path
        if path.is_dir():
            assert mode_of(path) & 0o777 == 0o770, path


@pytest.mark.parametrize("group", ["no-such-group", "0"])
def test_a_group_that_cannot_be_used_is_refused_at_the_start(group: str) -> None:
    with ordinary_service() as made:
        made.set(HARMONIZER_OUTPUT__GROUP=group)
        said = made.outcome("run", "--until-idle")
        assert said.returncode == 78
        assert "output.group" in said.stderr
        assert "member" in said.stderr


def test_the_one_privilege_of_the_unit_tells_who_writes_the_files_of_others() -> None:
    with ordinary_service() as made:
        made.inbox.chmod(0o777)
        path = made.inbox / "of-root.csv"
        path.write_text(patients(3))
        path.chmod(0o644)
        assert "cannot tell" in made.ask("why", str(path))["why"]
        made.as_user = as_nobody("lease")  # as AmbientCapabilities=CAP_LEASE has it
        assert "finished as far as can be seen" in made.ask("why", str(path))["why"]
        with path.open("a"):
            assert "open for writing" in made.ask("why", str(path))["why"]
        found = {one["check"]: one for one in made.ask_anyway("doctor")}
        assert (found["leases"]["level"], found["user"]["level"]) == ("ok", "ok")

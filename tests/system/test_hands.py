"""Hands in our folders, and a second daemon: each leads to an explained state, never to a loop."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.system.harness import Service, patients, service
from tests.system.mounts import bind, private_mounts

pytestmark = pytest.mark.slow

REFUSED = "colour,shape\nred,round\n"
SLOW = 60_000  # rows: a worker needs seconds, so that hands come in the middle


def drop(daemon: Service, name: str, first: int = 0, rows: int = 3) -> None:
    partial = daemon.inbox / f"{name}.part"
    partial.write_text(patients(rows, first=first))
    partial.rename(daemon.inbox / name)


def ended(daemon: Service, source: str) -> tuple[str, str | None]:
    """How the newest job of that file ended."""
    found: list[dict[str, str]] = []

    def is_over() -> bool:
        found[:] = [job for job in daemon.finished() if job["source"] == source]
        return bool(found)

    daemon.until(is_over, source)
    return found[0]["state"], found[0]["code"]


def job_folder(daemon: Service, name: str) -> Path:
    """The folder in work/ that holds the running attempt of that file."""
    found: list[Path] = []

    def is_running() -> bool:
        found[:] = [
            path.parents[1]
            for path in (daemon.root / "work").glob(f"j*/input/{name}")
            if list(path.parents[1].glob("attempt-*"))
        ]
        return bool(found)

    daemon.until(is_running, name)
    return found[0]


def test_a_second_daemon_is_refused_by_any_path_also_without_its_note(tmp_path: Path) -> None:
    with private_mounts(), service(tmp_path / "root") as daemon:
        assert daemon.process is not None
        (tmp_path / "linked").symlink_to(daemon.root)
        bind(daemon.root, tmp_path / "bound")
        (daemon.root / "work" / "daemon.lock").unlink()  # it only tells who holds the lock
        for root in (daemon.root, tmp_path / "linked", tmp_path / "bound"):
            second = daemon.outcome("run", "--root", str(root), at_root=False)
            assert second.returncode == 73, second.stderr
            assert "already serves" in second.stderr
        assert daemon.ask("status")["daemon"] == {"pid": daemon.process.pid, "phase": "running"}
        drop(daemon, "a.csv")
        assert ended(daemon, "a.csv") == ("delivered", None)


def test_hands_in_work_while_a_worker_reads(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        drop(daemon, "edited.csv", 0, SLOW)
        folder = job_folder(daemon, "edited.csv")
        with (folder / "input" / "edited.csv").open("a") as stream:
            stream.write("PT-9999999,Late,Row,1960-05-17,F\n")
        drop(daemon, "removed.csv", 100_000, SLOW)
        (job_folder(daemon, "removed.csv") / "input" / "removed.csv").unlink()
        drop(daemon, "emptied.csv", 200_000, SLOW)
        shutil.rmtree(job_folder(daemon, "emptied.csv"))
        drop(daemon, "unstaged.csv", 300_000, SLOW)
        for staging in job_folder(daemon, "unstaged.csv").glob("attempt-*"):
            shutil.rmtree(staging, ignore_errors=True)
        (daemon.root / "work" / "note.txt").write_text("somebody was here")
        (daemon.root / "work" / "j999").mkdir()
        (daemon.root / "work" / "state" / "status.json").unlink(missing_ok=True)

        assert ended(daemon, "removed.csv") == ("lost", "TAMPERED")
        assert ended(daemon, "emptied.csv")[0] == "lost"
        assert ended(daemon, "edited.csv") == ("delivered", None)  # read again, whole
        assert ended(daemon, "unstaged.csv")[0] in ("delivered", "quarantined")
        [edited] = (daemon.root / "archive").glob("*/*/edited.csv")
        assert edited.read_text().endswith("PT-9999999,Late,Row,1960-05-17,F\n")
        assert "removed from the work folder" in daemon.ask("why", "removed.csv")["why"]
        drop(daemon, "after.csv", 400_000)
        assert ended(daemon, "after.csv") == ("delivered", None)
        assert (daemon.root / "work" / "note.txt").exists()


def test_hands_in_the_folders_of_finished_files(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        for name in ("a", "b"):
            drop(daemon, f"{name}.csv", 100 * ord(name))
            (daemon.inbox / f"bad-{name}.csv").write_text(f"{REFUSED}{name},square\n")
        daemon.until_finished(4)
        assert daemon.outcome("verify").returncode == 0
        [original] = (daemon.root / "archive").glob("*/*/a.csv")
        original.write_text("edited")
        [foreign] = (daemon.root / "archive").glob("*/*/b.csv")
        (foreign.parent / "mine.txt").write_text("mine")
        shutil.rmtree(next(iter((daemon.root / "outbox" / "patients").iterdir())))
        (daemon.root / "outbox" / "patients" / "mine.txt").write_text("mine")
        shutil.rmtree(next(iter((daemon.root / "error").glob("*/*"))))
        (daemon.root / "error" / "INDEX.csv").unlink()
        (daemon.root / "error" / "INDEX.csv").symlink_to("/etc/passwd")
        done = daemon.outcome("verify")
        assert done.returncode == 74
        assert "edited" in done.stdout
        assert "mine.txt" in done.stdout

        for name in ("outbox", "archive", "error", "review"):  # whole folders, as if by mistake
            shutil.rmtree(daemon.root / name)
        drop(daemon, "c.csv", 50_000)
        daemon.until(lambda: "folder is not there" in str(daemon.page().get("troubles")), "said so")
        assert daemon.process is not None
        assert daemon.process.poll() is None
        for name in ("outbox", "archive", "error", "review"):
            (daemon.root / name).mkdir()
        assert ended(daemon, "c.csv") == ("delivered", None)
        assert Path("/etc/passwd").read_text().startswith("root")


def test_files_and_links_in_the_place_of_our_folders(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with service(tmp_path / "root") as daemon:
        (daemon.root / "outbox" / "patients").symlink_to(outside)
        drop(daemon, "a.csv", 0)
        daemon.until(lambda: daemon.page().get("troubles"), "it is said")
        time.sleep(1.0)
        assert list(outside.iterdir()) == []
        (daemon.root / "outbox" / "patients").unlink()
        (daemon.root / "outbox" / "patients").write_text("a file")
        time.sleep(1.0)
        (daemon.root / "outbox" / "patients").unlink()
        assert ended(daemon, "a.csv") == ("delivered", None)
        assert list(outside.iterdir()) == []


def test_a_state_database_that_was_deleted_is_put_back(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        drop(daemon, "a.csv", 0)
        assert ended(daemon, "a.csv") == ("delivered", None)
        state = daemon.root / "work" / "state"
        for path in state.glob("harmonizer.db*"):
            path.unlink()
        daemon.until(lambda: (state / "harmonizer.db").exists())
        assert (state / "harmonizer.db").stat().st_mode & 0o777 == 0o600
        assert ended(daemon, "a.csv") == ("delivered", None)  # nothing was forgotten
        shutil.rmtree(state)  # all of it, with its backups
        daemon.until(lambda: (state / "harmonizer.db").exists())
        drop(daemon, "b.csv", 100)
        assert ended(daemon, "b.csv") == ("delivered", None)
        assert len(daemon.finished()) == 2
        assert daemon.stop() == 0
        daemon.start()
        (daemon.inbox / "again.csv").write_text(patients(3))
        assert ended(daemon, "again.csv") == ("duplicate", None)  # it still knows a.csv
        found = {one["check"]: one["level"] for one in daemon.ask_anyway("doctor")}
        assert found["state"] == "ok"


def test_a_state_database_that_was_swapped_needs_a_new_start_and_says_so(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        drop(daemon, "a.csv", 0)
        assert ended(daemon, "a.csv") == ("delivered", None)
        state = daemon.root / "work" / "state"
        shutil.copy(state / "harmonizer.db", state / "other.db")
        os.replace(state / "other.db", state / "harmonizer.db")  # noqa: PTH105 - the very call
        assert daemon.process is not None
        assert daemon.process.wait(60) == 69
        assert "replaced by another file" in daemon.said()


def test_workers_and_the_daemon_survive_signals_that_are_not_theirs(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        assert daemon.process is not None
        for number in (signal.SIGIO, signal.SIGPIPE, signal.SIGWINCH, signal.SIGCONT):
            daemon.process.send_signal(number)
        drop(daemon, "a.csv", 0)
        assert ended(daemon, "a.csv") == ("delivered", None)
        assert psutil.pid_exists(daemon.process.pid)

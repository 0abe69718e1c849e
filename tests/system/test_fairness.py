"""What one file can do to the others, with real workers: nothing beyond its own limit."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.system.harness import patients, service

pytestmark = pytest.mark.slow

LARGE = patients(400_000)  # about 17 MB: some seconds of work


def worker_of(page: dict[str, object], job: str) -> int | None:
    """The process that has a job in hand."""
    workers = page.get("workers")
    busy = workers["busy"] if isinstance(workers, dict) else []
    return next((one["pid"] for one in busy if one["job"] == job), None)


def test_a_file_that_hangs_and_large_ones_leave_a_worker_to_all_others(tmp_path: Path) -> None:
    limits = {
        "HARMONIZER_WORKERS__DEADLINE_S": "600",
        "HARMONIZER_WORKERS__LARGE_FILE_MB": "1",
    }
    with service(tmp_path / "root", **limits) as daemon:
        for number in range(4):
            whole = LARGE.replace("PT-", f"L{number}-")
            (daemon.inbox / f".large-{number}").write_text(whole)
            (daemon.inbox / f".large-{number}").rename(daemon.inbox / f"large-{number}.csv")
        daemon.until(lambda: worker_of(daemon.page(), "j1"), "the first large file is begun")
        hung = worker_of(daemon.page(), "j1")
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        try:
            for number in range(60):
                (daemon.inbox / f"small-{number}.csv").write_text(patients(3, first=number * 10))
            daemon.until_finished(60)
            states = {job["job"]: job["state"] for job in daemon.jobs()}
            assert states["j1"] == "running", "it hangs to this moment"
            waiting = [one["reason"] for one in daemon.page()["waiting"]["entries"]]
            assert any("large files take turns" in reason for reason in waiting)
        finally:
            os.kill(hung, signal.SIGCONT)
        daemon.until_finished(64)
        assert {job["state"] for job in daemon.finished()} == {"delivered"}


def test_a_file_that_kills_its_workers_is_set_aside_also_across_restarts(tmp_path: Path) -> None:
    """Its attempts are counted before they begin, so no restart gives it new ones."""
    with service(tmp_path / "root", HARMONIZER_WORKERS__MAX_ATTEMPTS="3") as daemon:
        (daemon.inbox / "poison.csv").write_text(patients(1_400_000))  # seconds, however fast
        for end in ("daemon", "daemon", "worker"):
            daemon.until(lambda: worker_of(daemon.page(), "j1"), "it is begun")
            victim = worker_of(daemon.page(), "j1")
            assert victim is not None
            os.kill(victim, signal.SIGSTOP)
            if end == "daemon":
                daemon.kill()
                daemon.start()
            else:
                os.kill(victim, signal.SIGSEGV)
                os.kill(victim, signal.SIGCONT)
        (daemon.inbox / "good.csv").write_text(patients(5))
        daemon.until_finished(2)
        found = {job["source"]: job for job in daemon.jobs()}
        assert found["good.csv"]["state"] == "delivered"
        assert found["poison.csv"]["code"] == "POISON_CRASH"
        assert found["poison.csv"]["attempts_made"] == 3

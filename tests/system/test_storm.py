"""Kills under load, many files at once: every arrival has exactly one outcome, sums add up."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import time
from pathlib import Path

import psutil
import pytest

from tests.system.harness import Service, patients, service

pytestmark = pytest.mark.slow


def drop(daemon: Service, count: int, rows: int = 3) -> dict[str, bytes]:
    """Drop files with distinct bytes, whole, by rename; returns what was dropped."""
    dropped = {}
    for number in range(count):
        name = f"f{number:05d}.csv"
        text = patients(rows, first=number * rows).encode()
        if number % 10 == 9:
            text = f"colour,shape\nred,{number}\n".encode()  # fits no contract
        partial = daemon.inbox / f".{name}.part"
        partial.write_bytes(text)
        partial.rename(daemon.inbox / name)
        dropped[name] = text
    return dropped


def assert_every_arrival_has_one_outcome(daemon: Service, dropped: dict[str, bytes]) -> None:
    ended = daemon.finished()
    assert sorted(job["source"] for job in ended) == sorted(dropped)
    assert daemon.leftovers() == []
    assert daemon.originals("archive") | daemon.originals("error") == dropped
    good = {name for name, text in dropped.items() if text.startswith(b"patient_id")}
    by_state = {job["source"]: job["state"] for job in ended}
    assert {name for name, state in by_state.items() if state == "delivered"} == good
    assert {name for name, state in by_state.items() if state == "quarantined"} == (
        set(dropped) - good
    )
    deliveries = list((daemon.root / "outbox" / "patients").iterdir())
    assert len(deliveries) == len(good)
    for delivery in deliveries:
        counts = json.loads((delivery / "report.json").read_text(encoding="utf-8"))["counts"]
        assert counts["rows_read"] + counts["rows_added"] == (
            counts["rows_written"]
            + counts["rows_rejected"]
            + counts["rows_duplicate"]
            + counts["rows_skipped"]
        )
        lines = (delivery / "patients.csv").read_text(encoding="utf-8").splitlines()
        assert len(lines) - 1 == counts["rows_written"] == counts["rows_read"]
    database = sqlite3.connect(daemon.root / "work/state/harmonizer.db")
    with contextlib.closing(database):
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_of_daemon_and_workers_at_random_moments(tmp_path: Path, seed: int) -> None:
    luck = random.Random(seed)
    with service(tmp_path / "root", HARMONIZER_WORKERS__MAX_ATTEMPTS="50") as daemon:
        dropped = drop(daemon, 200)
        for _ in range(12):
            time.sleep(luck.uniform(0.05, 1.2))
            victims = daemon.workers()
            if luck.random() < 0.5 and victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    luck.choice(victims).kill()
            else:
                daemon.kill()
                daemon.start()
        daemon.until_finished(len(dropped))
        assert daemon.stop() == 0
        assert_every_arrival_has_one_outcome(daemon, dropped)


def test_a_worker_killed_costs_its_file_one_attempt_and_nothing_else(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        (daemon.inbox / "big.csv").write_text(patients(400_000))
        daemon.until(lambda: daemon.page()["workers"]["busy"])
        [busy] = daemon.page()["workers"]["busy"]
        psutil.Process(busy["pid"]).kill()
        dropped = drop(daemon, 5)
        daemon.until_finished(6)
        big = next(job for job in daemon.finished() if job["source"] == "big.csv")
        assert (big["state"], big["attempts_made"]) == ("delivered", 2)
        others = [job for job in daemon.finished() if job["source"] in dropped]
        assert {job["attempts_made"] for job in others} == {1}


@pytest.mark.timeout(1_800)
def test_a_thousand_files_at_once_are_all_delivered_in_flat_memory(tmp_path: Path) -> None:
    count = int(os.environ.get("HARMONIZER_STORM_FILES", "1000"))  # by hand: 10000
    with service(tmp_path / "root", HARMONIZER_LOGS__LEVEL="WARNING") as daemon:
        assert daemon.process is not None
        process = psutil.Process(daemon.process.pid)
        for number in range(count):
            (daemon.inbox / f"f{number:05d}.csv").write_text(patients(1, first=number))
        daemon.until(lambda: daemon.page()["jobs"].get("delivered", 0) > count // 20)
        early = process.memory_info().rss
        answers = 0
        end_s = time.monotonic() + 1_500
        while daemon.page()["jobs"].get("delivered", 0) < count and time.monotonic() < end_s:
            assert daemon.ask("status")["daemon"]["phase"] == "running"
            answers += 1
            time.sleep(5)
        late = process.memory_info().rss
        assert daemon.page()["jobs"]["delivered"] == count
        assert answers >= 1
        assert late - early < 64 * 1024 * 1024, f"grew from {early} to {late} bytes"
        assert len(list((daemon.root / "outbox" / "patients").iterdir())) == count
        assert daemon.leftovers() == []

"""The daemon as a service: signals, locks, first starts, notifications."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.system.harness import DEADLINE_S, FAST, PYTHON, Service, patients, service

pytestmark = pytest.mark.slow


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", "daemon", *words],
        env={**os.environ, **FAST, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        second = run("run", "--root", str(daemon.root))
        assert second.returncode == 73
        assert "already serves" in second.stderr
        (daemon.inbox / "a.csv").write_text(patients(3))
        daemon.until_finished(1)


def test_sigterm_lets_the_running_attempt_finish(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        (daemon.inbox / "big.csv").write_text(patients(600_000))
        daemon.until(lambda: daemon.page()["workers"]["busy"])
        assert daemon.stop(signal.SIGTERM) == 0
        [job] = daemon.finished()
        assert (job["state"], job["attempts_made"]) == ("delivered", 1)


def test_a_second_signal_skips_the_wait_and_gives_the_attempt_back(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        (daemon.inbox / "big.csv").write_text(patients(2_000_000))
        daemon.until(lambda: daemon.page()["workers"]["busy"])
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGINT)
        daemon.until(lambda: daemon.page()["phase"] == "draining")
        assert daemon.stop(signal.SIGINT) == 0
        [job] = daemon.jobs()
        assert (job["state"], job["attempts_made"]) == ("queued", 0)
        daemon.start()
        daemon.until_finished(1)
        assert daemon.finished()[0]["state"] == "delivered"


def test_no_worker_outlives_a_killed_daemon(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        (daemon.inbox / "big.csv").write_text(patients(600_000))
        daemon.until(lambda: daemon.page()["workers"]["busy"])
        workers = daemon.workers()
        assert workers
        daemon.kill()
        end_s = time.monotonic() + 30
        while any(w.is_running() and w.status() != "zombie" for w in workers):
            assert time.monotonic() < end_s, "orphans"
            time.sleep(0.1)


def test_a_first_start_on_a_foreign_inbox_needs_adopt(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "inbox").mkdir(parents=True)
    (root / "inbox" / "somebodys.csv").write_text(patients(3))
    refused = run("run", "--until-idle", "--root", str(root))
    assert refused.returncode == 78
    assert "--adopt" in refused.stderr
    assert (root / "inbox" / "somebodys.csv").exists()
    assert run("run", "--until-idle", "--adopt", "--root", str(root)).returncode == 0
    assert not (root / "inbox" / "somebodys.csv").exists()


def test_until_idle_processes_what_is_there_and_ends(tmp_path: Path) -> None:
    daemon = Service(tmp_path / "root")
    (daemon.inbox / "good.csv").write_text(patients(3))
    (daemon.inbox / "bad.csv").write_text("colour,shape\nred,round\n")
    assert run("run", "--until-idle", "--root", str(daemon.root)).returncode == 0
    assert {job["state"] for job in daemon.finished()} == {"delivered", "quarantined"}


def test_sighup_takes_over_good_settings_and_keeps_the_old_ones_over_bad(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        assert daemon.process is not None
        config = daemon.root / "harmonizer.yaml"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("ignore: []", "ignore: ['*.skip']"), encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        (daemon.inbox / "a.skip").write_text(patients(3))
        daemon.until(lambda: daemon.page()["ignored"]["count"] == 1)
        config.write_text("intake: {quiet: 1}\n", encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: any("refused" in t["what"] for t in daemon.page()["troubles"]))
        (daemon.inbox / "b.csv").write_text(patients(3))
        daemon.until_finished(1)


def test_systemd_hears_ready_watchdog_and_stopping(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(DEADLINE_S)
        with service(
            tmp_path / "root", NOTIFY_SOCKET=str(address), WATCHDOG_USEC="60000000"
        ) as daemon:
            heard = ""
            while "WATCHDOG=1" not in heard:
                heard += listener.recv(4096).decode() + "\n"
            assert "READY=1" in heard
            assert daemon.stop() == 0
            while "STOPPING=1" not in heard:
                heard += listener.recv(4096).decode() + "\n"


def test_a_broken_contract_is_refused_at_the_start_with_its_line(tmp_path: Path) -> None:
    daemon = Service(tmp_path / "root")
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    (contracts / "x.contract.yaml").write_text("name: x\nfields:\n  - {name: a, typ: string}\n")
    done = run(
        "run", "--until-idle", "--root", str(daemon.root), HARMONIZER_CONTRACTS=str(contracts)
    )
    assert done.returncode == 78
    assert "typ" in done.stderr
    assert "line 3" in done.stderr

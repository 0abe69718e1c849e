"""A real daemon in a real process, driven only by what a user has: files, signals, the command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

PYTHON = sys.executable
DEADLINE_S = 120.0  # far beyond what is needed: tests never depend on being quick

FAST = {
    "HARMONIZER_INTAKE__SCAN_INTERVAL_S": "1",
    "HARMONIZER_INTAKE__QUIET_PERIOD_S": "0.4",
    "HARMONIZER_INTAKE__NO_LEASE_QUIET_PERIOD_S": "1.5",
    "HARMONIZER_INTAKE__EMPTY_GRACE_S": "60",
    "HARMONIZER_INTAKE__CANARY_INTERVAL_S": "2",
    "HARMONIZER_WORKERS__COUNT": "2",
    "HARMONIZER_WORKERS__RETRY_BASE_S": "0.2",
    "HARMONIZER_SERVICE__DRAIN_S": "90",
}


def patients(count: int, first: int = 0) -> str:
    """A small clean file; `first` makes its rows, and so its bytes, unlike any other's."""
    rows = [
        f"PT-{number:07d},Family{number},Given,19{60 + number % 40}-05-17,F"
        for number in range(first, first + count)
    ]
    return "patient_id,last_name,first_name,date_of_birth,gender\n" + "\n".join(rows) + "\n"


class Service:
    """One folder tree and the daemon that serves it."""

    prefix: tuple[str, ...] = ()  # a command that starts the daemon in a world of its own
    as_user: tuple[str, ...] = ()  # the same for every command
    python = PYTHON

    def __init__(self, root: Path, module: str = "daemon", **settings: str) -> None:
        self.root = root
        self.inbox = root / "inbox"
        self._module = module
        self._environment = {**os.environ, **FAST, **settings}
        self.process: subprocess.Popen[bytes] | None = None
        self.output = root.parent / f"{root.name}.log"
        self.command("init", str(root), at_root=False)

    def start(self) -> None:
        """Start the daemon and wait until it serves."""
        self.launch()
        assert self.process is not None
        pid = self.process.pid
        self.until(lambda: self.page().get("pid") == pid and self.page()["phase"] == "running")

    def launch(self) -> None:
        """Start the daemon."""
        log = self.output.open("ab")
        self.process = subprocess.Popen(
            [
                *self.prefix,
                *self.as_user,
                self.python,
                "-m",
                self._module,
                "run",
                "--root",
                str(self.root),
            ],
            env=self._environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()

    def kill(self) -> None:
        """kill -9, and wait for the corpse."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the daemon to end, return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def end(self) -> None:
        """Leave nothing running, whatever the test did."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)

    def workers(self) -> list[psutil.Process]:
        """Processes that harmonize files now."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children(recursive=True)
            return [child for child in children if child.children() == []]
        return []

    def command(self, *words: str, at_root: bool = True, check: bool = True) -> str:
        """Run `harmonizer WORDS`, return what it prints."""
        done = self.outcome(*words, at_root=at_root)
        if check:
            assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def outcome(self, *words: str, at_root: bool = True) -> subprocess.CompletedProcess[str]:
        """The same with everything a command leaves: exit code, output, errors."""
        where = ["--root", str(self.root)] if at_root else []
        return subprocess.run(
            [*self.as_user, self.python, "-m", "daemon", *words, *where],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )

    def set(self, **settings: str) -> None:
        """Change the environment of whatever is started from now on."""
        self._environment |= settings

    def ask(self, *words: str) -> Any:
        """The same with --json, parsed."""
        return json.loads(self.command(*words, "--json"))

    def ask_anyway(self, *words: str) -> Any:
        """The same of a verb that may end with an exit code of its own."""
        return json.loads(self.command(*words, "--json", check=False))

    def page(self) -> dict[str, Any]:
        """The daemon's own status page; empty when there is none."""
        try:
            document = json.loads((self.root / "work/state/status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def jobs(self) -> list[dict[str, Any]]:
        """Every job, newest first."""
        found: list[dict[str, Any]] = self.ask("jobs", "--limit", "1000000")
        return found

    def finished(self) -> list[dict[str, Any]]:
        """Jobs that have come to an end, withdrawn claims left out: those files stayed."""
        ended = {"delivered", "quarantined", "duplicate", "cancelled", "lost"}
        return [job for job in self.jobs() if job["state"] in ended]

    def until(self, condition: Callable[[], Any], what: str = "") -> None:
        """Wait for a condition; a generous deadline turns a hang into a failure."""
        end_s = time.monotonic() + DEADLINE_S
        while not condition():
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the daemon ended: {self.said()}")
            if time.monotonic() > end_s:
                raise AssertionError(f"never happened: {what or condition}\n{self.said()}")
            time.sleep(0.05)

    def until_finished(self, count: int) -> None:
        """Wait until that many jobs have come to an end."""
        ended = ("delivered", "quarantined", "duplicate", "cancelled", "lost")

        def enough() -> bool:
            jobs: dict[str, int] = self.page().get("jobs", {})
            return sum(jobs.get(state, 0) for state in ended) >= count

        self.until(enough, f"{count} finished jobs; the page says {self.page().get('jobs')}")

    def until_ended(self, count: int) -> None:
        """Wait until that many jobs have come to an end, or wait for a person's answer."""
        ended = ("delivered", "quarantined", "duplicate", "cancelled", "lost", "held")

        def enough() -> bool:
            jobs: dict[str, int] = self.page().get("jobs", {})
            return sum(jobs.get(state, 0) for state in ended) >= count

        self.until(enough, f"{count} ended jobs")

    def said(self) -> str:
        """The end of what the daemon printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")[-4000:]

    def originals(self, folder: str = "archive") -> dict[str, bytes]:
        """Name and bytes of every archived (or refused) original."""
        papers = {"job.json", "REASON.txt", "reason.json", "rejects.csv"}
        papers |= {"report.html", "report.json"}
        found = [p for p in (self.root / folder).glob("*/*/*") if p.name not in papers]
        return {path.name: path.read_bytes() for path in found}

    def leftovers(self) -> list[str]:
        """What a finished day must not leave: files in the inbox, job folders in work/."""
        inbox = [str(p) for p in self.inbox.rglob("*") if p.is_file() and p.name[0] != "."]
        work = [str(p) for p in (self.root / "work").glob("j*")]
        return inbox + work


@contextlib.contextmanager
def service(root: Path, module: str = "daemon", **settings: str) -> Iterator[Service]:
    """A running daemon, ended with the test."""
    made = Service(root, module, **settings)
    try:
        made.start()
        yield made
    finally:
        made.end()

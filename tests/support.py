"""A whole daemon in a temporary directory, with clocks the test owns."""

from __future__ import annotations

import csv
import json
import threading
from pathlib import Path
from typing import Any

from daemon.coordinator import Coordinator
from daemon.db.records import JobRecord
from daemon.db.store import JobStore
from daemon.executors.base import Executor
from daemon.executors.inline import InlineExecutor
from daemon.folders.spool import Spool
from daemon.settings import Settings
from daemon.shell import Shell
from daemon.starting import folders_of, places_of
from daemon.states import JobState

GOOD = """patient_id,last_name,first_name,date_of_birth,gender
PT-0001,Lovelace,Ada,1955-12-10,F
PT-0002,Null,Alan,1962-06-23,M
"""
REFUSED = "colour,shape\nred,round\n"  # fits no contract


class FakeClock:
    """Seconds that pass only when the test says so."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class World:
    """A spool, a store and a coordinator that can be killed and rebuilt over the same disk."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.clock = FakeClock()
        self.settings = Settings(root=root, **settings)
        self.spool = Spool(folders_of(self.settings), self.settings.intake.left_alone)
        self.spool.create()
        self.store = JobStore(self.settings.state_path, self.clock)
        self.coordinator = self.build()

    def build(
        self,
        *,
        store: Any = None,
        spool: Any = None,
        executor: Executor | None = None,
    ) -> Coordinator:
        shell = Shell(
            store=store or self.store,
            spool=spool or self.spool,
            places=places_of(self.settings, store or self.store),
            settings=self.settings,
            clock=self.clock,
            monotonic=self.clock,
        )
        return Coordinator(
            shell=shell,
            executor=executor or InlineExecutor(),
            contracts_dir=str(self.settings.contracts_dir),
            wake=threading.Event(),
        )

    def restart(self, executor: Executor | None = None) -> None:
        """What systemd does: a new process over the same files."""
        self.store.close()
        self.store = JobStore(self.settings.state_path, self.clock)
        self.coordinator = self.build(executor=executor)
        self.coordinator.recover()

    def drop(self, name: str, content: str | bytes = GOOD) -> Path:
        path = self.spool.folders.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run_until_idle(self, coordinator: Coordinator | None = None, turns: int = 12) -> None:
        crank = coordinator or self.coordinator
        for _ in range(turns):
            crank.look_soon()
            crank.step()
            self.clock.advance(10.0)

    def ask(self, kind: str, **args: Any) -> str:
        """Ask as the command line does, let the daemon answer, return the answer."""
        command_id = self.store.ask(kind, args, "test")
        self.run_until_idle()
        command = self.store.command(command_id)
        assert command is not None
        return str(command.answer)

    def files(self, folder: str) -> list[str]:
        """Every file below a folder, relative to it, sorted."""
        base = self.root / folder
        return sorted(str(p.relative_to(base)) for p in base.rglob("*") if p.is_file())

    def job(self, job_id: int) -> JobRecord:
        return self.store.get(job_id)

    def in_state(self, state: JobState) -> list[JobRecord]:
        return self.store.in_state(state)

    def live(self) -> list[JobRecord]:
        return [job for state in JobState if not state.is_finished for job in self.in_state(state)]

    def close(self) -> None:
        self.coordinator.close()
        self.store.close()


def table(path: Path) -> list[dict[str, str]]:
    """A delivered CSV as rows."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def document(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))

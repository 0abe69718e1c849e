"""Every client we know, at the same time, against one daemon: one delivery each, complete."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.system.clients import CLIENTS, Missing
from tests.system.harness import Service, patients, service

pytestmark = pytest.mark.slow

ROWS = 60


@dataclass
class Day:
    """What the clients sent and what became of it."""

    daemon: Service
    sent: dict[str, bytes] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)


def data_of(name: str) -> bytes:
    return patients(ROWS, first=1_000 * (1 + list(CLIENTS).index(name))).encode()


def send(daemon: Service, name: str, aside: Path) -> str | None:
    """Let one client send its file; what it lacks, if it cannot."""
    mine = aside / name
    mine.mkdir(parents=True)
    try:
        CLIENTS[name](daemon.inbox, f"{name}.csv", data_of(name), mine)
    except Missing as missing:
        return str(missing)
    return None


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    base = tmp_path_factory.mktemp("clients")
    slow = {"HARMONIZER_INTAKE__NO_LEASE_QUIET_PERIOD_S": "3"}
    with service(base / "root", **slow) as daemon:
        result = Day(daemon)
        with ThreadPoolExecutor(16) as clients:
            answers = clients.map(lambda name: send(daemon, name, base / "aside"), CLIENTS)
            lacking = dict(zip(CLIENTS, answers, strict=True))
        for name, lacks in lacking.items():
            if lacks is None:
                result.sent[name] = data_of(name)
            else:
                result.missing[name] = lacks
        daemon.until_finished(len(result.sent))
        time.sleep(3.0)  # a second job of anything would have come by now
        result.jobs = daemon.finished()
        yield result


@pytest.mark.parametrize("name", CLIENTS)
def test_it_is_delivered_once_and_complete(day: Day, name: str) -> None:
    if name in day.missing:
        pytest.skip(f"{day.missing[name]} is not to be had here")
    mine = [job for job in day.jobs if Path(job["source"]).name == f"{name}.csv"]
    assert [(job["state"], job["rows"]["rows_read"]) for job in mine] == [("delivered", ROWS)]
    [original] = (day.daemon.root / "archive").glob(f"*/{mine[0]['job']}/{name}.csv")
    assert original.read_bytes() == day.sent[name]


def test_nothing_else_came_of_it_and_nothing_is_left(day: Day) -> None:
    assert len(day.jobs) == len(day.sent)
    own = {f"{name}.csv" for name in CLIENTS}
    assert [path for path in day.daemon.leftovers() if Path(path).name in own] == []
    assert not [path for path in day.daemon.leftovers() if os.sep + "work" + os.sep in path]


def test_there_are_more_than_fifty_of_them() -> None:
    assert len(CLIENTS) > 50

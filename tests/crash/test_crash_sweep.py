"""Cut the power before and after every effect on disk and database; the restart must converge."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.states import JobState
from tests.support import GOOD, REFUSED, World

SPOOL_EFFECTS = frozenset(
    {
        "claim_all",
        "clear",
        "deliver",
        "offer_again",
        "prepare_staging",
        "quarantine",
        "reclaim",
        "retire",
        "unclaim",
        "write_error_index",
    }
)
STORE_EFFECTS = frozenset(
    {"advance", "advance_all", "answer", "meta_set", "open_jobs", "remember_files"}
)


class PowerCut(BaseException):
    """Not an Exception: nothing in the daemon may catch it."""


class Tripwire:
    """Counts effects and cuts the power at the chosen one."""

    def __init__(self, cut_at: int) -> None:
        self._cut_at = cut_at
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self._cut_at:
            raise PowerCut


class Wired:
    """Delegates to the real object, stepping on the wire before and after each effect."""

    def __init__(self, real: Any, effects: frozenset[str], wire: Tripwire) -> None:
        self._real, self._effects, self._wire = real, effects, wire

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._real, name)
        if name not in self._effects:
            return attribute

        def effect(*args: Any, **kwargs: Any) -> Any:
            self._wire.step()
            result = attribute(*args, **kwargs)
            self._wire.step()
            return result

        return effect


def crashed_at(world: World, cut_at: int) -> bool:
    """Run until the power is cut; True if it was."""
    wire = Tripwire(cut_at)
    doomed = world.build(
        spool=Wired(world.spool, SPOOL_EFFECTS, wire),
        store=Wired(world.store, STORE_EFFECTS, wire),
    )
    try:
        doomed.recover()
        world.run_until_idle(doomed)
    except PowerCut:
        return True
    finally:
        doomed.close()
    return False


def take_deliveries(world: World, taken: Path) -> None:
    """A consumer that takes a delivery the moment it appears."""
    for report in list((world.root / "outbox").glob("*/*/report.json")):
        target = taken / report.parent.name
        assert not target.exists(), "the same delivery appeared twice"
        shutil.move(report.parent, target)


def sweep(
    tmp_path: Path,
    prepare: Callable[[World], object],
    check: Callable[[World], None],
    stride: int = 1,
) -> int:
    """Repeat the same day with the power cut at effect 1, 2, 3 ... until a day passes whole.

    `stride`: only at every so many, for long days that are mostly like others.
    """
    cut_at = 1 - stride
    crashed = True
    while crashed:
        cut_at += stride
        root = tmp_path / f"cut-{cut_at}"
        world = World(root)
        prepare(world)
        crashed = crashed_at(world, cut_at)
        if crashed and cut_at % 2:  # every other time the power fails again during recovery
            world.store.close()
            again = World(root)
            crashed_at(again, 1 + cut_at % 7)
            again.close()
        world.restart()
        world.run_until_idle()
        troubles = world.coordinator.troubles
        assert world.live() == [], f"cut at effect {cut_at}: {troubles}"
        assert world.files("inbox") == [], f"cut at effect {cut_at}"
        assert [p for p in (root / "work").iterdir() if p.name.startswith("j")] == []
        assert world.store.check() == []
        check(world)
        world.close()
    return cut_at


@pytest.mark.parametrize("consumer", ["patient", "greedy"])
def test_a_good_file_is_delivered_once_wherever_the_power_fails(
    tmp_path: Path, consumer: str
) -> None:
    taken = tmp_path / "taken"

    def check(world: World) -> None:
        if consumer == "greedy":
            shutil.rmtree(taken, ignore_errors=True)
            taken.mkdir()
            take_deliveries(world, taken)
            delivered = list(taken.glob("*/patients.csv"))
        else:
            delivered = list((world.root / "outbox").glob("patients/*/patients.csv"))
        assert len(delivered) == 1
        originals = list((world.root / "archive").glob("*/*/patients.csv"))
        assert [path.read_text(encoding="utf-8") for path in originals] == [GOOD]
        assert len(world.in_state(JobState.DELIVERED)) == 1

    cuts = sweep(tmp_path, lambda world: world.drop("patients.csv"), check)
    assert cuts > 15, "the sweep should have met every effect, before and after"


def test_a_refused_file_is_explained_once_wherever_the_power_fails(tmp_path: Path) -> None:
    def check(world: World) -> None:
        entries = list((world.root / "error").glob("*/*__SCHEMA_UNKNOWN"))
        assert len(entries) == 1
        assert (entries[0] / "shapes.csv").read_text(encoding="utf-8") == REFUSED
        assert "SCHEMA_UNKNOWN" in (entries[0] / "REASON.txt").read_text(encoding="utf-8")
        assert world.files("outbox") == []
        assert len(world.in_state(JobState.QUARANTINED)) == 1

    assert sweep(tmp_path, lambda world: world.drop("shapes.csv", REFUSED), check) > 15


def test_the_same_bytes_twice_are_delivered_once_wherever_the_power_fails(tmp_path: Path) -> None:
    def prepare(world: World) -> None:
        world.drop("monday.csv")
        world.drop("tuesday.csv")

    def check(world: World) -> None:
        assert len(list((world.root / "outbox").glob("patients/*/patients.csv"))) == 1
        assert len(world.in_state(JobState.DELIVERED)) == 1
        assert len(world.in_state(JobState.DUPLICATE)) == 1
        assert len(list((world.root / "archive").glob("*/*/*day.csv"))) == 2

    assert sweep(tmp_path, prepare, check) > 20


def test_a_retry_is_done_once_wherever_the_power_fails(tmp_path: Path) -> None:
    def prepare(world: World) -> None:
        world.drop("shapes.csv", REFUSED)
        world.run_until_idle()
        world.store.ask("retry", {"job": 1}, "test")

    def check(world: World) -> None:
        assert len(world.store.children_of(1)) == 1
        entries = list((world.root / "error").glob("*/*__SCHEMA_UNKNOWN/shapes.csv"))
        assert len(entries) == 1, "the original lies in one place"
        assert world.store.pending_commands() == []

    assert sweep(tmp_path, prepare, check) > 15

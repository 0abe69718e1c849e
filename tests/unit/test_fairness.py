"""Whose turn it is: sources by rounds and priority, files by arrival and size. Pure decisions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from daemon.fairness import Rota, Turn, heavy_slots
from tests.support import GOOD, World

MB = 1_000_000


def flood(source: bytes, count: int, arrived_s: float = 0.0, size: int = 1000) -> list[Turn[str]]:
    return [Turn(f"{source.decode()}-{n}", source, arrived_s + n / 1e6, size) for n in range(count)]


def names(rota: Rota, waiting: list[Turn[str]], most: int | None = None) -> list[str]:
    return [turn.thing for turn in list(rota.order(waiting))[:most]]


def served_one_by_one(rota: Rota, waiting: list[Turn[str]], count: int) -> list[str]:
    """As the daemon does with room for one: look, take the first, look again."""
    left, taken = list(waiting), []
    for _ in range(count):
        first = next(iter(rota.order(left)))
        left.remove(first)
        rota.served(first.source)
        taken.append(first.thing)
    return taken


def test_one_source_is_served_in_the_order_of_arrival() -> None:
    assert names(Rota(), list(reversed(flood(b"a", 4)))) == ["a-0", "a-1", "a-2", "a-3"]


def test_a_flood_does_not_keep_a_single_file_waiting() -> None:
    waiting = flood(b"noisy", 10_000) + flood(b"quiet", 1, arrived_s=100.0)
    assert "quiet-0" in names(Rota(), waiting, 2)


def test_sources_take_turns_also_when_taken_one_by_one() -> None:
    waiting = flood(b"a", 50) + flood(b"b", 50, 10.0) + flood(b"c", 50, 20.0)
    taken = served_one_by_one(Rota(), waiting, 60)
    assert Counter(name[0] for name in taken) == {"a": 20, "b": 20, "c": 20}
    assert all(len({name[0] for name in taken[at : at + 3]}) == 3 for at in range(0, 60, 3))


def test_who_was_away_gets_no_credit_for_it() -> None:
    rota = Rota()
    served_one_by_one(rota, flood(b"a", 500), 500)
    taken = served_one_by_one(rota, flood(b"a", 20) + flood(b"b", 20, 1.0), 20)
    assert Counter(name[0] for name in taken) == {"a": 10, "b": 10}


@pytest.mark.parametrize(("priority", "share"), [(1, 2), (3, 4), (9, 10)])
def test_priority_gives_more_turns_and_starves_nobody(priority: int, share: int) -> None:
    rota = Rota(lambda source: priority if source == b"urgent" else 0)
    waiting = flood(b"usual", 200) + flood(b"urgent", 400, 50.0)
    taken = Counter(name[:2] for name in served_one_by_one(rota, waiting, 10 * (share + 1)))
    assert abs(taken["ur"] - 10 * share) <= 1
    assert abs(taken["us"] - 10) <= 1


def test_a_low_priority_waits_and_still_comes() -> None:
    rota = Rota(lambda source: -4 if source == b"bulk" else 0)
    taken = served_one_by_one(rota, flood(b"bulk", 60) + flood(b"usual", 60, 5.0), 60)
    assert Counter(name[:2] for name in taken) == {"bu": 10, "us": 50}


def test_a_few_urgent_files_come_before_all_others() -> None:
    rota = Rota(lambda source: 10 if source == b"urgent" else 0)
    rota.served(b"usual")
    waiting = flood(b"usual", 100) + flood(b"urgent", 8, 50.0)
    assert set(served_one_by_one(rota, waiting, 8)) == {f"urgent-{n}" for n in range(8)}


def test_small_files_pass_a_huge_one_until_it_has_waited_for_its_time() -> None:
    huge = Turn("huge", b"a", 0.0, 2_000 * MB)
    small = [Turn(f"small-{at}", b"a", float(at), 1000) for at in range(0, 400, 50)]
    order = names(Rota(), [huge, *small])
    assert order.index("huge") == 4  # behind what came in its first 200 s, before the rest


def test_what_ended_a_worker_before_lets_others_pass() -> None:
    poison = Turn("poison", b"a", 0.0, 10, delay_s=600.0)
    assert names(Rota(), [poison, *flood(b"a", 3, 10.0)])[-1] == "poison"


@pytest.mark.parametrize(("capacity", "slots"), [(1, 1), (2, 1), (3, 2), (8, 7)])
def test_one_worker_is_kept_for_the_others(capacity: int, slots: int) -> None:
    assert heavy_slots(capacity) == slots


# -- and in a whole daemon ------------------------------------------------------------------------


def arrivals(world: World, folder: str, count: int) -> None:
    for number in range(count):
        world.drop(f"{folder}/{number:03}.csv", GOOD.replace("PT-", f"{folder[0]}{number:03}-"))


def test_one_noisy_sub_folder_does_not_starve_another(tmp_path: Path) -> None:
    world = World(tmp_path, intake={"claim_ahead": 0})
    arrivals(world, "noisy", 60)
    world.run_until_idle(turns=4)
    arrivals(world, "quiet", 2)
    before = len(world.store.jobs())
    assert before < 60
    world.run_until_idle(turns=10)
    turns = [job.source for job in reversed(world.store.jobs(limit=None))][before:]
    assert {b"quiet/000.csv", b"quiet/001.csv"} <= set(turns[:5])
    world.close()


def test_priority_is_set_for_a_source(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        intake={"claim_ahead": 0},
        sources=[{"path": "urgent", "priority": 20}, {"path": "bulk", "priority": -5}],
    )
    world.ask("pause", reason="so that all lie there before the first is taken")
    for folder in ("bulk", "usual", "urgent"):
        arrivals(world, folder, 10)
    world.ask("resume")
    world.run_until_idle(turns=20)
    order = [job.source.partition(b"/")[0] for job in reversed(world.store.jobs(limit=None))]
    assert order[:13].count(b"urgent") == 10
    assert b"bulk" not in order[13:17] or order.count(b"bulk") < order.count(b"usual")
    world.close()


def test_a_thousand_answered_files_do_not_keep_a_new_one_waiting(tmp_path: Path) -> None:
    world = World(tmp_path)
    arrivals(world, "first", 40)
    world.run_until_idle(turns=30)
    for number in range(1, 41):
        world.store.ask("retry", {"job": number}, "test")
    world.drop("new/a.csv", GOOD.replace("PT-", "NEW-"))
    for _ in range(3):
        world.coordinator.look_soon()
        world.coordinator.step()
        world.clock.advance(10)
    [new] = world.store.jobs(source=b"new/a.csv")
    assert new.state.is_finished
    assert world.live(), "while the others are still being worked on"
    world.close()

"""Work in threads gives what work without threads gives: the same, in the same order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.parallel import Crew, ahead, at_once, in_order


def slow_square(number: int) -> int:
    time.sleep(0.001 * (number % 3))
    return number * number


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("items", [0, 1, 2, 3, 50])
def test_results_come_in_the_order_of_the_items(workers: int, items: int) -> None:
    found = list(in_order(slow_square, range(items), workers))
    assert found == [slow_square(item) for item in range(items)]


@pytest.mark.parametrize("items", [0, 1, 2, 50])
def test_items_made_ahead_are_the_same(items: int) -> None:
    assert list(ahead(iter(range(items)))) == list(range(items))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("place", [0, 1, 7])
def test_an_error_comes_out_behind_the_results_before_it(workers: int, place: int) -> None:
    def work(item: int) -> int:
        if item == place:
            raise ValueError(item)
        return item

    found: list[int] = []
    with pytest.raises(ValueError, match=str(place)):
        found.extend(in_order(work, range(20), workers))
    assert found == list(range(place))


def test_an_error_of_the_reader_comes_out_too() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the disk")

    for reading in (in_order(slow_square, items(), 2), ahead(items())):
        with pytest.raises(OSError, match="the disk"):
            list(reading)


def test_no_more_items_are_taken_than_are_worked_on() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = in_order(slow_square, items(), 2)
    for _ in range(10):
        next(results)
    assert len(taken) <= 10 + 4
    assert list(results)[-1] == 99 * 99


def test_one_item_starts_no_thread_and_no_thread_is_left() -> None:
    before = threading.active_count()
    reading = in_order(slow_square, range(1), 4)
    assert next(reading) == 0
    assert threading.active_count() == before
    list(in_order(slow_square, range(9), 4))
    with closing(Crew()) as crew:
        for _ in range(3):
            assert crew.each(slow_square, range(5)) == [0, 1, 4, 9, 16]
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_calls_that_do_not_depend_on_each_other_give_what_each_gives_alone(workers: int) -> None:
    seen: list[str] = []

    def note(name: str) -> str:
        seen.append(name)
        return name

    found = at_once(lambda: note("a"), lambda: note("b"), lambda: note("c"), workers)
    assert found == ("a", "b", "c")
    assert sorted(seen) == ["a", "b", "c"]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("broken", [{"a"}, {"b"}, {"c"}, {"b", "c"}, {"a", "c"}])
def test_the_foremost_error_comes_out(workers: int, broken: set[str]) -> None:
    def note(name: str) -> str:
        if name in broken:
            raise ValueError(name)
        return name

    with pytest.raises(ValueError, match=min(broken)):
        at_once(lambda: note("a"), lambda: note("b"), lambda: note("c"), workers)

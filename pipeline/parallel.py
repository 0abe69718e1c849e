"""Several batches of one file at once. What comes out, and in which order, does not change.

Threads, for work of Arrow's and NumPy's kernels, which let go of the interpreter; what needs Python
itself is done `beside`. Records are found by one reader, in order, so none is ever cut in two; only
whole batches, or whole columns, are shared out.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from pipeline import beside

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
T = TypeVar("T")
R = TypeVar("R")

_MOST_THREADS = 4  # each holds a batch or two; memory must not grow with the machine
_NOTHING = object()


def threads() -> int:
    """How many threads one file may use: the cores this process may run on, at most four."""
    return min(_MOST_THREADS, len(os.sched_getaffinity(0)))


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """`map(work, items)`, with `work` in threads. Items are taken, and results given, in order.

    The first item is done here, so that a file of one batch pays for no thread. Whatever `work` or
    `items` raise comes out where it would have come out of `map`.
    """
    count = threads() if workers is None else workers
    source = iter(items)
    for item in source:
        yield work(item)
        break
    if count == 1:
        yield from map(work, source)
        return
    second = next(source, _NOTHING)
    if second is _NOTHING:
        return
    with ThreadPoolExecutor(count, thread_name_prefix="batch") as pool:
        waiting: deque[Future[R]] = deque([pool.submit(work, second)])  # type: ignore[arg-type]
        try:
            for item in source:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items; while one is used, the next one is made in a thread.

    The first two are made here, so that a file of one batch pays for no thread.
    """
    source = iter(items)
    if threads() == 1:
        yield from source
        return
    taken = list(islice(source, 2))
    is_all = len(taken) < 2
    while taken:
        yield taken.pop(0)
    if is_all:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        future: Future[object] = pool.submit(next, source, _NOTHING)
        while (item := future.result()) is not _NOTHING:
            future = pool.submit(next, source, _NOTHING)
            yield item  # type: ignore[misc]


def at_once(
    first: Callable[[], A],
    second: Callable[[], B],
    third: Callable[[], C],
    workers: int | None = None,
) -> tuple[A, B, C]:
    """What three calls give that do not depend on each other; the latter two beside the first.

    That is in a helper process where one is possible, or else in threads: what they give must be
    plain data, and nothing else they change may matter. All have ended when this does. What one
    raises comes out, of the foremost one that does.
    """
    if (threads() if workers is None else workers) == 1:
        return first(), second(), third()
    helper = beside.helper(lambda _: (second(), third())) if workers is None else None
    if helper is not None:
        with helper:
            return first(), *helper.answer()
    with ThreadPoolExecutor(2, thread_name_prefix="beside") as pool:
        other, also = pool.submit(second), pool.submit(third)
        made = first()
        return made, other.result(), also.result()


class Crew:
    """Threads that share out the columns of one batch after another; none for a single batch."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._batches = 0

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """`list(map(work, items))`; the calls must not depend on each other."""
        self._batches += 1
        if self._batches == 1 or threads() == 1:
            return list(map(work, items))
        if self._pool is None:
            self._pool = ThreadPoolExecutor(threads(), thread_name_prefix="column")
        return list(self._pool.map(work, items))

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

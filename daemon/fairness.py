"""Who is next, so that nobody waits for somebody else's flood, or for one huge file. Pure.

Turns go round the sources (start-time fair queueing: each source has a clock of its own that runs
the slower, the higher its priority; the source that is least ahead is next). Within a source the
order is by arrival, but a large file counts as having come later by the time it is likely to take,
so small ones pass it until it has waited for as long.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

_T = TypeVar("_T")

_BYTES_A_SECOND = 10_000_000  # a cautious guess at how fast a worker gets through a file
_MOST_REMEMBERED = 10_000  # sources; whoever was forgotten begins anew, beside all others


class Turn(NamedTuple, Generic[_T]):
    """One thing that waits. `arrived_s` is on any clock, the same for all; `delay_s` is added for
    what is known to take long, beyond what its size says.
    """

    thing: _T
    source: bytes
    arrived_s: float
    size_bytes: int
    delay_s: float = 0.0

    @property
    def counts_from_s(self) -> float:
        """When it counts as having arrived. Files of less than a second of work all count alike."""
        return self.arrived_s + self.size_bytes // _BYTES_A_SECOND + self.delay_s


class Rota:
    """Remembers whose turn it is. `priority` gives that of a source by its name."""

    def __init__(self, priority: Callable[[bytes], int] = lambda source: 0) -> None:
        self._priority = priority
        self._ahead: dict[bytes, float] = {}
        self._now = 0.0  # the virtual time: where the source stood that was served last

    def order(self, waiting: Iterable[Turn[_T]]) -> Iterator[Turn[_T]]:
        """Everything that waits, in turn. Nobody's turn is used up before `served` says so."""
        by_source: dict[bytes, list[Turn[_T]]] = {}
        for turn in waiting:
            by_source.setdefault(turn.source, []).append(turn)
        heads: list[tuple[float, float, bytes, Iterator[Turn[_T]], Turn[_T]]] = []
        for source, turns in by_source.items():
            turns.sort(key=_counts_from)
            rest = iter(turns)
            head = next(rest)
            heapq.heappush(heads, (self._start(source), _counts_from(head), source, rest, head))
        while heads:
            at, _, source, rest, turn = heads[0]
            yield turn
            following = next(rest, None)
            if following is None:
                heapq.heappop(heads)
            else:
                at += self._step(source)
                heapq.heapreplace(heads, (at, _counts_from(following), source, rest, following))

    def served(self, source: bytes) -> None:
        """A thing of this source was taken."""
        self._now = max(self._now, start := self._start(source))
        self._ahead[source] = start + self._step(source)
        if len(self._ahead) > _MOST_REMEMBERED:
            late = {name: at for name, at in self._ahead.items() if at > self._now}
            self._ahead = late if len(late) <= _MOST_REMEMBERED else {}

    def _start(self, source: bytes) -> float:
        """Who was away gets no credit for it: he begins beside the one that was served last."""
        return max(self._now, self._ahead.get(source, 0.0))

    def _step(self, source: bytes) -> float:
        """How far one turn puts a source ahead: 1 / 11 with priority 10, 11 with priority -10."""
        priority = self._priority(source)
        return 1.0 / (1 + priority) if priority >= 0 else 1.0 - priority


def _counts_from(turn: Turn[_T]) -> float:
    return turn.counts_from_s


def heavy_slots(capacity: int) -> int:
    """How many workers large or dangerous files may have at once: one is kept for all others."""
    return max(1, capacity - 1)

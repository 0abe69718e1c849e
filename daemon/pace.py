"""How fast attempts end just now, and how much is taken on at once because of it. Pure.

A turn of the coordinator costs syncs and commits whatever it carries. While small files end in
dozens a second, many of them share each turn: more are claimed ahead, more are handed out, and the
next turn waits a moment for company, as long as the workers have enough to go on with. A file that
comes alone, and large ones, are dealt with at once.
"""

from __future__ import annotations

import math
from collections import deque

_WINDOW_S = 2.0
_AHEAD_S = 2.0  # claimed ahead: what ends in this time
_IN_FLIGHT_S = 1.0  # handed out: more than ends in a turn, so that no worker waits for one
_COMPANY = 48  # ended attempts that make a turn worth while
_COMPANY_S = 0.5  # ... and how long they are waited for
_FAST = 10.0  # attempts a second from which on waiting for company pays
_HANDED_OUT = 4  # attempts a worker, at least: one under way, others at hand
_ENOUGH = 2  # attempts a worker that still go on, while a turn waits for company


class Pace:
    """Counts attempts as they end. `capacity` is the number of workers; times are monotonic."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ended: deque[tuple[float, int]] = deque()
        self._turn_s = float("-inf")

    def ended(self, attempts: int, now_s: float) -> None:
        """So many attempts were recorded as ended, in one turn."""
        self._turn_s = now_s
        if attempts:
            self._ended.append((now_s, attempts))

    def rate(self, now_s: float) -> float:
        """Attempts a second, over the last two seconds."""
        while self._ended and self._ended[0][0] <= now_s - _WINDOW_S:
            self._ended.popleft()
        return sum(attempts for _, attempts in self._ended) / _WINDOW_S

    def is_fast(self, now_s: float) -> bool:
        """Whether small files end in dozens a second."""
        return self.rate(now_s) >= _FAST

    def in_flight(self, now_s: float) -> int:
        """How many attempts may be handed out at a time."""
        return max(_HANDED_OUT * self._capacity, math.ceil(self.rate(now_s) * _IN_FLIGHT_S))

    def ahead(self, at_least: int, now_s: float) -> int:
        """How many files may be claimed beyond the free workers; none where none is asked for."""
        return max(at_least, math.ceil(self.rate(now_s) * _AHEAD_S)) if at_least else 0

    def claims_now(self, room: int, at_least: int, now_s: float) -> bool:
        """Whether so much room is worth a look through all that waits: half of what it can be."""
        return not self.is_fast(now_s) or 2 * room >= self.ahead(at_least, now_s)

    def company_s(self, ended: int, going_on: int, now_s: float) -> float:
        """Seconds the next turn may wait for more than these to end; `going_on` have not yet."""
        if ended >= _COMPANY or going_on < _ENOUGH * self._capacity or not self.is_fast(now_s):
            return 0.0
        return max(0.0, self._turn_s + _COMPANY_S - now_s)

"""What follows from the very same object, whatever it holds, is worked out only once.

Contracts are read once and never change, and neither does plain data that is kept (`plain.kept`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Same(Generic[T]):
    """A key for `lru_cache`: equal to another of the very same `thing`, which it keeps alive."""

    __slots__ = ("thing",)

    def __init__(self, thing: T) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


def remembered(most: int) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Remember what a function gives by the identity of its arguments; of texts, by their letters.

    As `lru_cache` with `Same`, for what is asked for each column of each file: it makes no key in
    Python. When there are `most` results, all are forgotten.
    """

    def remember(function: Callable[..., R]) -> Callable[..., R]:
        known: dict[tuple[Any, ...], tuple[R, tuple[Any, ...]]] = {}

        def call(*things: Any) -> R:
            key = (*[one if type(one) is str else id(one) for one in things],)
            found = known.get(key)
            if found is None:
                if len(known) >= most:
                    known.clear()
                found = known[key] = (function(*things), things)  # alive, so that no id comes again
            return found[0]

        return call

    return remember

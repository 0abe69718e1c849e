"""A dataclass as a dict of its fields, and plain data that many files have in common.

`dataclasses.asdict` copies everything in it, down to the last text; what is only to be written out
needs no copy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

_SCALARS = (str, int, float, bool, type(None))  # what JSON gives back as it is
_MOST_KEPT = 8_192
_LONGEST_KEPT = 4_096  # characters; what is longer is seldom found twice


class Kept(dict[str, Any]):
    """Plain data that nobody changes any more.

    written: how it was last written as JSON, behind what begins its lines.
    """

    __slots__ = ("written",)

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        self.written: tuple[str, str] | None = None


class KeptList(list[Any]):
    """Plain data one behind the other that nobody changes any more. written: as of `Kept`."""

    __slots__ = ("written",)

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(items)
        self.written: tuple[str, str] | None = None


_kept: dict[str, Kept] = {}


def kept(members: Mapping[str, Any]) -> Kept:
    """`plain` data; the very same thing for the same content, whatever file it was found in.

    So what follows from it need be worked out only once (`same.Same`).
    """
    content = repr(members)  # tells 1 from 1.0 and True, and the order of members
    known = _kept.get(content)
    if known is None:
        known = Kept(plain(dict(members)))
        if len(content) <= _LONGEST_KEPT:
            if len(_kept) >= _MOST_KEPT:
                _kept.clear()
            _kept[content] = known
    return known


def plain(value: Any) -> Any:
    """The same as JSON would give it back, so that what is stored equals what was just made."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict and all(type(name) is str for name in value):
        return {name: plain(one) for name, one in value.items()}
    if kind is list or kind is tuple:
        return [plain(one) for one in value]
    return json.loads(json.dumps(value))


def as_dict(thing: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, in order; their values are its own, not copies."""
    return {name: getattr(thing, name) for name in _names(thing.__class__)}


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))

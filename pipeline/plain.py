"""A dataclass as a dict of its fields. `dataclasses.asdict` copies everything in it, down to the
last text; what is only to be written out needs no copy.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any


def as_dict(thing: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, in order; their values are its own, not copies."""
    return {name: getattr(thing, name) for name in _names(thing.__class__)}


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))

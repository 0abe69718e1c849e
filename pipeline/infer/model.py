"""A contract in the making: fields, and the comments that go with them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class FieldProposal:
    """One field to be. extra: further keys of the field, plain data. notes: comments above it."""

    name: str
    label: str
    position: int
    type: str = "string"
    extra: dict[str, Any] = field(default_factory=dict)
    constraints: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    codeset: dict[str, dict[str, Any]] | None = None
    is_personal: bool = False
    is_identifier: bool = False
    can_be_key: bool = False
    parts: list[tuple[str, str]] = field(default_factory=list)

    def make_text(self, why: str) -> None:
        """Fall back to plain text, which no value can contradict."""
        self.type = "string"
        self.extra = {key: self.extra[key] for key in ("aliases",) if key in self.extra}
        self.codeset = None
        self.parts = []
        self.notes.append(why)


@dataclass(slots=True, kw_only=True)
class Proposal:
    """A contract to be. key: its primary key. notes: comments at the head of the file."""

    name: str
    fields: list[FieldProposal]
    key: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    rows: int = 0
    files: int = 0

    def field(self, name: str) -> FieldProposal:
        """The field of that name, or the one that hands a part of its cells to it."""
        for one in self.fields:
            if name == one.name or name in (target for _, target in one.parts):
                return one
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every column shares. timezone: of times without offset, None when nobody said it."""

    today: datetime.date
    timezone: str | None
    delimiter: str | None

"""One kind of export: facts first, then how they are written, then what must be delivered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from examples.drafts import Cell, Draft, without_empty
from examples.pen import Pen

Fact = Mapping[str, Any]
"""What a record is about, before it is spelled."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way a record can be wrong: which column holds what, and what it is rejected with.

    code: the reject's code, or several with a space between. about: the sign or test the record
    must be about for this to be wrong.
    """

    column: str
    written: str
    code: str
    about: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes one by one."""
        return tuple(self.code.split())


class Table(ABC):
    """Makes drafts of records, each from an index that no other has.

    columns: what the export's columns hold, fields of the contract or names of its own. labels:
    headings a column may have, the usual one first. fields: those of the delivered table, in order.
    rejects_in_100: how many of a hundred records may be rejected without refusing the file.
    """

    columns: ClassVar[tuple[str, ...]]
    labels: ClassVar[Mapping[str, Sequence[str]]]
    fields: ClassVar[tuple[str, ...]]
    faults: ClassVar[tuple[Fault, ...]]
    rejects_in_100: ClassVar[int] = 4
    usual: ClassVar[str] = ""
    """What a record is about when nothing about it shall be special."""

    def __init__(self, pen: Pen, total: int) -> None:
        self.pen = pen
        self.total = total

    @abstractmethod
    def fact(self, index: int, about: str = "") -> dict[str, Any]:
        """What record `index` says; `about`: it is plain and about this sign or test."""

    @abstractmethod
    def write(self, fact: Fact) -> dict[str, Cell]:
        """The fact's cells by column, in one of their spellings."""

    @abstractmethod
    def contradict(self, fact: Fact) -> dict[str, Any]:
        """A fact with the same key that cannot be right beside this one; empty without key."""

    def deliver(self, fact: Fact, cells: Mapping[str, Cell]) -> tuple[dict[str, str], ...]:
        """The rows that must be delivered: one, unless a table says otherwise."""
        del fact
        return ({name: delivered for name, (_, delivered) in cells.items()},)

    def draft(self, index: int) -> Draft:
        """An ordinary record."""
        return self.drafted(self.fact(index))

    def drafted(self, fact: Fact) -> Draft:
        """The record that states a fact."""
        cells = self.write(fact)
        return Draft(
            cells=written(cells),
            rows=tuple(without_empty(row) for row in self.deliver(fact, cells)),
        )

    def faulty(self, index: int, fault: Fault) -> Draft:
        """A record that is right but for one fault."""
        cells = written(self.write(self.fact(index, fault.about or self.usual)))
        return Draft(cells={**cells, fault.column: fault.written}, codes=fault.codes)

    def calm(self, index: int) -> dict[str, str]:
        """Cells of a record that will not be a row: nothing in them proves anything."""
        was_calm, self.pen.calm = self.pen.calm, True
        cells = written(self.write(self.fact(index, self.usual)))
        self.pen.calm = was_calm
        return cells

    def twins(self, index: int) -> list[Draft]:
        """Two records that say the same thing, each in its own spelling."""
        fact = self.fact(index)
        drafts = [self.drafted(fact), self.drafted(self.retell(fact))]
        for draft in drafts:
            draft.twin = index
        return drafts

    def retell(self, fact: Fact) -> Fact:
        """The same fact, where there are several ways to state it."""
        return fact

    def conflict(self, index: int) -> list[Draft]:
        """Two records of one key that cannot both be right; none when the table has no key."""
        fact = self.fact(index, self.usual)
        other = self.contradict(self.retell(fact))
        facts = [fact, other] if other else []
        return [Draft(cells=written(self.write(one)), codes=("key-conflict",)) for one in facts]


def written(cells: Mapping[str, Cell]) -> dict[str, str]:
    """What stands in the export."""
    return {name: text for name, (text, _) in cells.items()}

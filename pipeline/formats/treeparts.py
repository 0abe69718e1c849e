"""What a file of records that are trees is made of: its records, and the tables they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.errors import RowCode
from pipeline.formats.trees import Path, Several, Shape, as_json

Column = tuple[int, Path, str]
"""Level, path and name of a column."""


@dataclass(slots=True)
class Item:
    """One record of the file. tree: None for one that cannot be read, and `fault` says why.

    where: its place, such as `$.data[3]`.
    """

    line: int
    raw: str
    where: str
    tree: dict[str, Any] | None
    fault: str = ""
    code: RowCode = RowCode.BAD_RECORD


class Trees(Protocol):
    """A file of records, opened."""

    kind: str
    base: int
    """Number of the first of several values under one name."""
    places: bool
    """Whether a line does not tell where a record stands."""

    def survey(self) -> tuple[Mapping[str, Shape], tuple[str, ...]]:
        """Every table there may be, by its path, and notes on what stands beside them."""
        ...

    def items(self, table: str) -> Iterator[Item]:
        """The records of a table, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the file: records at `path`, or what repeats within them.

    steps: paths from each level to the next one, none for the records themselves. shapes: of each
    level, outermost first.
    """

    path: str
    steps: tuple[Path, ...]
    shapes: tuple[Shape, ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.shapes[-1].count

    def columns(self) -> list[Column]:
        """Level, path and name of each column; the inner names stay as they are."""
        found: list[Column] = []
        taken: set[str] = set()
        for level in reversed(range(len(self.shapes))):
            columns = self.shapes[level].columns()
            if level < len(self.steps):
                columns.pop(self.steps[level], None)
            above = self._name_of(level)
            named = [
                (level, path, f"{above}.{label}" if label in taken else label)
                for path, label in columns.items()
            ]
            taken |= {label for _, _, label in named}
            found = named + found
        return found

    def _name_of(self, level: int) -> str:
        if level:
            return str([step for step in self.steps[level - 1] if isinstance(step, str)][-1])
        return self.path.rpartition(".")[2].rpartition("/")[2].strip("$*") or "record"


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the record it is of, the trees of each level, and its place."""

    item: Item
    trees: tuple[dict[str, Any], ...]
    where: str

    @property
    def raw(self) -> str:
        """As it stood; of what repeats in a record as JSON, lest each repeats the whole record."""
        return self.item.raw if len(self.trees) == 1 else as_json(self.trees[-1])


def tables_in(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, Table]]:
    """Every table of a file, by its name: lists of records, and what repeats within them."""
    for path, shape in shapes.items():
        if shape.count:
            table = Table(path=path, steps=(), shapes=(shape,))
            yield path, table
            yield from _inner(path, table)


def _inner(name: str, table: Table) -> Iterator[tuple[str, Table]]:
    """The tables within one, inwards."""
    shape = table.shapes[-1]
    for step, child in shape.children.items():
        if shape.lists.get(step, Several()).most > 1 and child.count:
            label = ".".join(one for one in step if isinstance(one, str))
            below = f"/{label.replace('.', '/')}" if shape.base else f"[*].{label}"
            inner = Table(
                path=table.path, steps=(*table.steps, step), shapes=(*table.shapes, child)
            )
            yield name + below, inner
            yield from _inner(name + below, inner)


def is_likely(table: Table) -> bool:
    """Inner tables are taken by themselves only if there is nothing around them."""
    around, *within = [
        any(path not in shape.lists for path in shape.columns()) for shape in table.shapes
    ]
    return around if not within else within[-1] and not any([around, *within[:-1]])

"""One table of a file of records that are trees; JSON and XML bring the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import (
    BadRecord,
    CellFault,
    ReadAs,
    TableName,
    TextBatch,
    tables_told,
    unread_told,
)
from pipeline.formats.trees import (
    Doubled,
    NotJson,
    Path,
    Several,
    Shape,
    as_json,
    doubled_names,
    elements,
    is_flat,
    text_of,
    value_at,
)
from pipeline.messages import Limits

_BATCH_BYTES = 4 << 20
_BATCH_RECORDS = 20_000
_NO_NUMBER = "JSON has no NaN and no Infinity; there is no value in this cell."
_TWICE = "The record says two different things under this name."
_TWICE_SAME = "The record says the same thing twice under this name."


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
class _Table:
    """A table of the file: records at `path`, or what repeats within them.

    steps: paths from each level to the next one, none for the records themselves. shapes: of each
    level, outermost first.
    """

    path: str
    steps: tuple[Path, ...]
    shapes: tuple[Shape, ...]

    @property
    def rows(self) -> int:
        return self.shapes[-1].count

    def columns(self) -> list[tuple[int, Path, str]]:
        """Level, path and name of each column; the inner names stay as they are."""
        found: list[tuple[int, Path, str]] = []
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
class _Row:
    """A row: the record it is of, the trees of each level, and its place."""

    item: Item
    trees: tuple[dict[str, Any], ...]
    where: str


class TreeReader:
    """See `TableReader`.

    Raises:
        ContentError: EMPTY, UNSUPPORTED, TABLE_UNCLEAR or LIMIT_EXCEEDED.
    """

    def __init__(
        self,
        source: Trees,
        limits: Limits,
        read_as: ReadAs | None = None,
        surveyed: tuple[Mapping[str, Shape], tuple[str, ...]] | None = None,
    ) -> None:
        self._source, self._limits = source, limits
        self._told = ReadAs() if read_as is None else read_as
        self._surveyed = surveyed or source.survey()
        shapes, self._notes = self._surveyed
        self._known = dict(_tables(shapes))
        if not self._known:
            raise ContentError(FileCode.UNSUPPORTED, f"{source.kind} without a list of records")
        self.tables = tuple(
            TableName(name=name, about=f"{table.rows} records", likely=_is_likely(table))
            for name, table in self._known.items()
        )
        self._name = self._chosen()
        self._table = self._known[self._name]
        self._set_columns()
        self._check_names()
        self._has_faults = source.kind.startswith(("a JSON", "JSON"))

    def at(self, table: str) -> TreeReader:
        """The same file, opened at another of its tables; it is not surveyed again."""
        told = replace(self._told, table=table)
        return TreeReader(self._source, self._limits, told, self._surveyed)

    @property
    def header(self) -> tuple[str, ...]:
        """The paths of the columns, with dots."""
        return self._header

    def describe(self) -> dict[str, Any]:
        """How the file is read, by which evidence; plain data without values."""
        others = [f"{one.name} ({one.about})" for one in self.tables if one.name != self._name]
        told = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self._told).items()
        }
        return {
            "format": self._source.kind,
            "table": self._name,
            "places": self._source.places,
            "header_line": 0,
            "columns": len(self._header),
            "confidence": 1.0,
            "evidence": [
                f"the records are at {self._name}",
                *unread_told("records", others),
                *self._notes,
            ],
            **({"tables": tables} if (tables := tables_told(self.tables, self._name)) else {}),
            **({"told": told} if self._told.is_told else {}),
        }

    def batches(self) -> Iterator[TextBatch]:
        """Yield the records in order, in batches of bounded size."""
        record = 0
        for items in self._some(self._source.items(self._table.path)):
            batch, record = self._batch(items, record)
            yield batch
        if not record:
            raise ContentError(FileCode.EMPTY, "there are no records")

    def _chosen(self) -> str:
        if self._told.table is not None:
            if self._told.table not in self._known:
                raise ContentError(
                    FileCode.TABLE_UNCLEAR, "the records that were asked for are not there"
                )
            return self._told.table
        likely = [one.name for one in self.tables if one.likely]
        return max(likely or self._known, key=lambda name: (self._known[name].rows, -len(name)))

    def _check_names(self) -> None:
        if any(len(label) > self._limits.max_cell_bytes for label in self._header):
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"a name is longer than {self._limits.max_cell_bytes} bytes",
            )

    def _set_columns(self) -> None:
        self._columns = self._table.columns()
        self._header = tuple(label for _, _, label in self._columns)
        if len(self._header) > self._limits.max_columns:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"its records have {len(self._header)} columns; "
                f"{self._limits.max_columns} are allowed",
            )
        if not self._header:
            raise ContentError(FileCode.EMPTY, "the records say nothing")

    def _some(self, items: Iterator[Item]) -> Iterator[list[Item]]:
        some: list[Item] = []
        size = 0
        for item in items:
            some.append(item)
            size += len(item.raw)
            if size >= _BATCH_BYTES or len(some) >= _BATCH_RECORDS:
                yield some
                some, size = [], 0
        if some:
            yield some

    def _batch(self, items: list[Item], record: int) -> tuple[TextBatch, int]:
        rows: list[_Row] = []
        numbers: list[int] = []
        bad: list[BadRecord] = []
        wheres: dict[int, str] = {}
        for item in items:
            if item.tree is None:
                record += 1
                wheres[record] = item.where
                bad.append(
                    BadRecord(
                        record=record,
                        line=item.line,
                        raw=item.raw,
                        code=item.code,
                        sentence=item.fault,
                    )
                )
                continue
            for row in self._rows_of(item, (item.tree,), item.where):
                record += 1
                wheres[record] = row.where
                rows.append(row)
                numbers.append(record)
        return self._made(rows, numbers, bad, wheres), record

    def _rows_of(self, item: Item, trees: tuple[dict[str, Any], ...], where: str) -> Iterator[_Row]:
        """The rows of a record, or of what repeats within it."""
        if len(trees) > len(self._table.steps):
            yield _Row(item, trees, where)
            return
        step = self._table.steps[len(trees) - 1]
        label = ".".join(str(one) for one in step)
        for at, tree in elements(trees[-1], step):
            below = f"/{label.replace('.', '/')}[{at + 1}]" if self._is_xml else f".{label}[{at}]"
            yield from self._rows_of(item, (*trees, tree), where + below)

    @property
    def _is_xml(self) -> bool:
        return bool(self._source.base)

    def _made(
        self,
        rows: list[_Row],
        numbers: list[int],
        bad: list[BadRecord],
        wheres: dict[int, str],
    ) -> TextBatch:
        levels = [[row.trees[level] for row in rows] for level in range(len(self._table.shapes))]
        columns = [_column(levels[level], path) for level, path, _ in self._columns]
        self._check_cells(columns)
        labels = self._header

        def place(number: int, line: int, column: int | None) -> str:
            where = wheres.get(number, "")
            if column is None or column >= len(labels):
                return where
            return _cell_place(where, labels[column], is_xml=self._is_xml)

        return TextBatch(
            columns=columns,
            records=np.array(numbers, dtype=np.int64),
            lines=np.array([row.item.line for row in rows], dtype=np.int64),
            raw=lambda at: _raw(rows[at]),
            bad=bad,
            place=place if self._source.places else None,
            faults=list(self._faults(rows, numbers)) if self._has_faults else [],
        )

    def _faults(self, rows: list[_Row], numbers: list[int]) -> Iterator[CellFault]:
        """NaN, and names that stand twice; most records have neither."""
        for number, row in zip(numbers, rows, strict=True):
            if not (_has_non_json(row.item.raw) or _has_doubles(row.item.tree)):
                continue
            doubles = [dict(doubled_names(tree)) for tree in row.trees]
            for at, (level, path, _) in enumerate(self._columns):
                if isinstance(value_at(row.trees[level], path), NotJson):
                    yield _fault(number, at, RowCode.TYPE_ERROR, _NO_NUMBER, refuses=True)
                for double, same in doubles[level].items():
                    if path[: len(double)] == double:
                        why = _TWICE_SAME if same else _TWICE
                        yield _fault(number, at, RowCode.DUPLICATE_NAME, why, refuses=not same)

    def _check_cells(self, columns: list[pa.StringArray]) -> None:
        for column in columns:
            longest = pa.compute.max(pa.compute.binary_length(column)).as_py() or 0
            if longest > self._limits.max_cell_bytes:
                raise ContentError(
                    FileCode.LIMIT_EXCEEDED,
                    f"a value is longer than {self._limits.max_cell_bytes} bytes",
                )


def _column(trees: list[Any], path: Path) -> pa.StringArray:
    if len(path) == 1 and isinstance(path[0], str):
        name = path[0]
        values = [tree.get(name) for tree in trees]
    else:
        values = [value_at(tree, path) for tree in trees]
    try:
        return pa.array(values, pa.string()).fill_null("")
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # not text alone: the long way
        return pa.array([text_of(value) for value in values], pa.string())


def _fault(number: int, at: int, code: RowCode, sentence: str, *, refuses: bool) -> CellFault:
    return CellFault(record=number, column=at, code=code, sentence=sentence, refuses=refuses)


def _raw(row: _Row) -> str:
    """A record as it stood; what repeats within one as JSON, lest each repeats the whole record."""
    return row.item.raw if len(row.trees) == 1 else as_json(row.trees[-1])


def _tables(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, _Table]]:
    for path, shape in shapes.items():
        if shape.count:
            table = _Table(path=path, steps=(), shapes=(shape,))
            yield path, table
            yield from _inner(path, table)


def _inner(name: str, table: _Table) -> Iterator[tuple[str, _Table]]:
    """The tables within one, inwards."""
    shape = table.shapes[-1]
    for step, child in shape.children.items():
        if shape.lists.get(step, Several()).most > 1 and child.count:
            label = ".".join(one for one in step if isinstance(one, str))
            below = f"/{label.replace('.', '/')}" if shape.base else f"[*].{label}"
            inner = _Table(
                path=table.path, steps=(*table.steps, step), shapes=(*table.shapes, child)
            )
            yield name + below, inner
            yield from _inner(name + below, inner)


def _is_likely(table: _Table) -> bool:
    """Inner tables are taken by themselves only if there is nothing around them."""
    around, *within = [
        any(path not in shape.lists for path in shape.columns()) for shape in table.shapes
    ]
    return around if not within else within[-1] and not any([around, *within[:-1]])


def _cell_place(where: str, label: str, *, is_xml: bool) -> str:
    if is_xml:
        return f"{where}/{label.replace('.', '/')}"
    simple = label.replace(".", "").replace("_", "").replace("[", "").replace("]", "").isalnum()
    return f"{where}.{label}" if simple else f"{where}['{label}']"


def _has_doubles(tree: Any) -> bool:
    if isinstance(tree, Doubled):
        return True
    if isinstance(tree, dict):
        if is_flat(tree):
            return False
        return any(_has_doubles(one) for one in tree.values() if isinstance(one, dict | list))
    return isinstance(tree, list) and any(_has_doubles(one) for one in tree)


def _has_non_json(raw: str) -> bool:
    return "NaN" in raw or "Infinity" in raw

"""One table of a file of records that are trees; JSON and XML bring the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import BadRecord, CellFault, ReadAs, TableName, TextBatch
from pipeline.formats.trees import (
    Doubled,
    NotJson,
    Path,
    Several,
    Shape,
    doubled_names,
    elements,
    is_flat,
    text_of,
    value_at,
)
from pipeline.messages import Limits

_BATCH_BYTES = 4 << 20
_BATCH_RECORDS = 20_000
_MOST_TOLD = 10
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
    """A table of the file: records at `path`, or what repeats within them at `inner`."""

    path: str
    inner: Path
    shape: Shape
    child: Shape | None

    @property
    def rows(self) -> int:
        return self.shape.count if self.child is None else self.child.count


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
        if len(others) > _MOST_TOLD:
            others = [*others[:_MOST_TOLD], f"and {len(others) - _MOST_TOLD} more"]
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
                *([f"further records are not read: {'; '.join(others)}"] if others else []),
                *self._notes,
            ],
        } | ({"told": told} if self._told.is_told else {})

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

    def _set_columns(self) -> None:
        table = self._table
        outer = table.shape.columns()
        outer.pop(table.inner, None)
        inner = {} if table.child is None else table.child.columns()
        self._outer, self._inner = list(outer), list(inner)
        above = table.path.rpartition(".")[2].rpartition("/")[2].strip("$") or "record"
        own = set(inner.values())
        labels = [f"{above}.{label}" if label in own else label for label in outer.values()]
        labels += inner.values()
        self._header = tuple(labels)
        if len(labels) > self._limits.max_columns:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"its records have {len(labels)} columns; {self._limits.max_columns} are allowed",
            )
        if not labels:
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
        rows: list[tuple[Item, dict[str, Any], str]] = []
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
            for tree, where in self._rows_of(item):
                record += 1
                wheres[record] = where
                rows.append((item, tree, where))
                numbers.append(record)
        return self._made(rows, numbers, bad, wheres), record

    def _rows_of(self, item: Item) -> Iterator[tuple[dict[str, Any], str]]:
        assert item.tree is not None  # noqa: S101 - sorted out before
        if self._table.child is None:
            yield item.tree, item.where
            return
        label = ".".join(str(step) for step in self._table.inner)
        for at, tree in elements(item.tree, self._table.inner):
            yield tree, f"{item.where}{self._below(label, at)}"

    def _below(self, label: str, at: int) -> str:
        if self._source.base:
            return f"/{label.replace('.', '/')}[{at + 1}]"
        return f".{label}[{at}]"

    def _made(
        self,
        rows: list[tuple[Item, dict[str, Any], str]],
        numbers: list[int],
        bad: list[BadRecord],
        wheres: dict[int, str],
    ) -> TextBatch:
        width = len(self._outer)
        columns = (
            [_column([item.tree for item, _, _ in rows], path) for path in self._outer]
            if (self._table.child is not None)
            else [_column([tree for _, tree, _ in rows], path) for path in self._outer]
        )
        columns += [_column([tree for _, tree, _ in rows], path) for path in self._inner]
        self._check_cells(columns)
        faults = (
            [
                CellFault(record=number, column=at, code=code, sentence=sentence, refuses=refuses)
                for number, (item, tree, _) in zip(numbers, rows, strict=True)
                if _has_non_json(item.raw) or _has_doubles(item.tree)
                for at, code, sentence, refuses in self._faults(item, tree, width)
            ]
            if self._has_faults
            else []
        )
        labels = self._header

        def place(number: int, line: int, column: int | None) -> str:
            where = wheres.get(number, "")
            if column is None or column >= len(labels):
                return where
            return _cell_place(where, labels[column], is_xml=bool(self._source.base))

        return TextBatch(
            columns=columns,
            records=np.array(numbers, dtype=np.int64),
            lines=np.array([item.line for item, _, _ in rows], dtype=np.int64),
            raw=lambda at: rows[at][0].raw,
            bad=bad,
            place=place if self._source.places else None,
            faults=faults,
        )

    def _faults(
        self, item: Item, tree: dict[str, Any], width: int
    ) -> Iterator[tuple[int, RowCode, str, bool]]:
        paths = [*self._outer, *self._inner]
        is_child = self._table.child is not None
        doubles = dict(doubled_names(tree))
        for at, path in enumerate(paths):
            whole = item.tree if is_child and at < width else tree
            if isinstance(value_at(whole, path), NotJson):
                yield at, RowCode.TYPE_ERROR, _NO_NUMBER, True
            for double, same in doubles.items():
                if path[: len(double)] == double and not (is_child and at < width):
                    sentence = _TWICE_SAME if same else _TWICE
                    yield at, RowCode.DUPLICATE_NAME, sentence, not same

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


def _tables(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, _Table]]:
    for path, shape in shapes.items():
        if shape.count:
            yield path, _Table(path=path, inner=(), shape=shape, child=None)
        for inner, child in shape.children.items():
            if shape.lists.get(inner, Several()).most > 1 and child.count:
                label = ".".join(step for step in inner if isinstance(step, str))
                name = (
                    f"{path}[*].{label}" if not shape.base else f"{path}/{label.replace('.', '/')}"
                )
                yield name, _Table(path=path, inner=inner, shape=shape, child=child)


def _is_likely(table: _Table) -> bool:
    """Inner tables are taken by themselves only if there is nothing around them."""
    own = [path for path in table.shape.columns() if path not in table.shape.lists]
    return bool(own) if table.child is None else not own


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

"""One table of a file of records that are trees; JSON and XML bring the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import (
    BadRecord,
    ReadAs,
    TableName,
    TextBatch,
    tables_told,
    unread_told,
)
from pipeline.formats.treefaults import faults_of
from pipeline.formats.treeparts import Item, Row, Trees, is_likely, tables_in
from pipeline.formats.trees import (
    Path,
    Shape,
    elements,
    text_of,
    value_at,
)
from pipeline.messages import Limits

_BATCH_BYTES = 4 << 20
_BATCH_RECORDS = 20_000


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
        self._known = dict(tables_in(shapes))
        if not self._known:
            raise ContentError(FileCode.UNSUPPORTED, f"{source.kind} without a list of records")
        self.tables = tuple(
            TableName(name=name, about=f"{table.rows} records", likely=is_likely(table))
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
        rows: list[Row] = []
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

    def _rows_of(self, item: Item, trees: tuple[dict[str, Any], ...], where: str) -> Iterator[Row]:
        """The rows of a record, or of what repeats within it."""
        if len(trees) > len(self._table.steps):
            yield Row(item, trees, where)
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
        rows: list[Row],
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
            raw=lambda at: rows[at].raw,
            bad=bad,
            place=place if self._source.places else None,
            faults=list(faults_of(rows, numbers, self._columns)) if self._has_faults else [],
        )

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


def _cell_place(where: str, label: str, *, is_xml: bool) -> str:
    if is_xml:
        return f"{where}/{label.replace('.', '/')}"
    simple = label.replace(".", "").replace("_", "").replace("[", "").replace("]", "").isalnum()
    return f"{where}.{label}" if simple else f"{where}['{label}']"

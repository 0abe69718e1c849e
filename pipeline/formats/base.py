"""What every reader yields: columns of text as it stood in the file, with their positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.standardize.base import Converted, Rows

_MOST_OTHERS_TOLD = 10
_MOST_TABLES_TOLD = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRecord:
    """A record that does not have the table's shape.

    record: 1 for the first record below the header, blank records counted.
    line: the first physical line of the record in the file, 1 for the first line of the file.
    raw: the record's text as it stood, without its line end.
    """

    record: int
    line: int
    raw: str
    code: RowCode
    sentence: str


Place = Callable[[int, int, int | None], str]
"""Where a record stands in a source that has no lines, from its record number, its line and the
position of a column (None for the record as a whole): `Results!C17`, `$.data[3].dob`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFault:
    """A cell that its format itself says is no proper value, as a spreadsheet's `#N/A`.

    column: its position. refuses: the record must not be delivered by this cell; else it is only
    marked. A cell of a column that feeds no field is nobody's fault.
    """

    record: int
    column: int
    code: RowCode
    sentence: str
    refuses: bool = True


@runtime_checkable
class FewCells(Protocol):
    """Columns of which a few rows can be had without the others."""

    def at(self, rows: Sequence[int]) -> list[tuple[str, ...]]:
        """The cells of these rows, ascending."""
        ...


@dataclass(frozen=True, slots=True)
class KnownCells:
    """What the cells of a column were read as before. how: by which rules, equal for equal ones.

    cells: cleaned, null where missing. changed: rows that were changed, by reason. converted: the
    values they are, of kinds about which nothing is to be decided first.
    """

    how: object
    cells: pa.StringArray
    changed: Mapping[str, Rows]
    converted: Converted | None = None


@dataclass(slots=True, kw_only=True)
class TextBatch:
    """Some records in file order. Every array has `len(records)` entries.

    columns: one pa.StringArray a column, in file order, cell text verbatim, never null.
    records, lines: position of each record, counted as in `BadRecord`.
    raw: gives the text of the record at a position of this batch as it stood in the file, without
        its line end; only rejects ask for it.
    bad: the records of this stretch that were left out because of their shape.
    skipped: how many records of this stretch were left out on purpose, by reason
        ("blank", "repeated-header").
    place: where a record stands, of formats in which a line number does not say it.
    faults: cells that are no proper values, by record.
    known: what was read from columns before, by position; of these very rows only.
    """

    columns: Sequence[pa.StringArray]
    records: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    raw: Callable[[int], str]
    bad: list[BadRecord] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    place: Place | None = None
    faults: list[CellFault] = field(default_factory=list)
    known: Mapping[int, KnownCells] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """How many records of the file this stretch is. Several rows may be of one record."""
        changes = int(np.count_nonzero(np.diff(self.records)))  # rows of one record stand together
        records = changes + (len(self.records) > 0)
        return records + len(self.bad) + sum(self.skipped.values())

    def first_rows(self) -> npt.NDArray[np.int64]:
        """Position of the first row of each record."""
        return np.unique(self.records, return_index=True)[1]

    def cells_at(self, rows: Sequence[int]) -> list[tuple[str, ...]]:
        """The cells of these rows, ascending, as they stood."""
        if isinstance(self.columns, FewCells):
            return self.columns.at(rows)
        taken = pa.array(rows, pa.int64())
        columns = (column.take(taken).to_pylist() for column in self.columns)
        return list(zip(*columns, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAs:
    """What a person confirmed about how a file is read; what is None is found out from the file.

    encoding: Python's name of it. header_rows, comment_rows: physical lines, 1 for the first; the
    names of several header lines are joined by `header_join`. header: False for a file without
    one, whose columns are called `names`, or by their position. unnamed: where the columns stand
    that have no name, when the header has fewer names than the rows have cells. table: which of the
    tables in the file is meant, by the name its reader gives it: a sheet, a path. spans: where
    columns of fixed width stand, [start, end); an end of None is the line's. counted: in what.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True
    header_rows: tuple[int, ...] = ()
    header_join: str = " "
    comment_rows: tuple[int, ...] = ()
    unnamed: Literal["first", "last"] | None = None
    names: tuple[str, ...] = ()
    table: str | None = None
    spans: tuple[tuple[int, int | None], ...] = ()
    counted: Literal["characters", "bytes", "columns"] = "characters"

    @property
    def is_told(self) -> bool:
        """True when anything at all is said."""
        return self != ReadAs(names=self.names)


class UnclearLayout(ContentError):
    """A layout that the file does not settle and a person can.

    guess: the reading that is worth a look. answers: possible answers with their meaning.
    proposed: the answer that `guess` stands for, None when nothing speaks for one.
    """

    def __init__(
        self,
        code: FileCode,
        note: str,
        *,
        key: Literal["delimiter", "header", "table"],
        guess: ReadAs,
        answers: Mapping[str, str],
        proposed: str | None = None,
    ) -> None:
        super().__init__(code, note)
        self.key = key
        self.guess = guess
        self.answers = dict(answers)
        self.proposed = proposed

    def __reduce__(self) -> tuple[type[ContentError], tuple[FileCode, str]]:
        return ContentError, (self.code, self.note)  # what crosses a process is the refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class TableName:
    """A table that a file holds beside others.

    name: what it is called in `ReadAs.table`. about: what is told of it, such as "hidden".
    likely: whether it may be what the file was sent for, as far as its format tells.
    """

    name: str
    about: str = ""
    likely: bool = True


class TableReader(Protocol):
    """One table of one file, opened. Iterating twice reads the file twice, if it is
    not so small that what was read is kept.

    A reader of a format whose files may hold several tables also has `tables`, a tuple of
    `TableName`, opens the one that `ReadAs.table` names, and gives another one by `at(name)`.
    """

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels as they stand in the file, by position; labels may repeat."""
        ...

    def describe(self) -> dict[str, Any]:
        """How the file is read (format, encoding, delimiter ...) and by which evidence."""
        ...

    def batches(self) -> Iterator[TextBatch]:
        """Yield the records in order, in batches of bounded size."""
        ...


def tables_of(reader: TableReader) -> tuple[TableName, ...]:
    """The tables a file holds; empty for a format that holds one."""
    found: tuple[TableName, ...] = getattr(reader, "tables", ())
    return found


def tables_told(tables: Sequence[TableName], read: str) -> list[dict[str, Any]]:
    """For a report: the tables of a file and which of them is read; empty when there is but one."""
    if len(tables) < 2:
        return []
    return [
        {"name": one.name, "about": one.about, "read": one.name == read}
        for one in tables[:_MOST_TABLES_TOLD]
    ]


def unread_told(what: str, others: Sequence[str]) -> list[str]:
    """Sentences on the tables of a file that are not read, and on what can be done about it."""
    if not others:
        return []
    more = len(others) - _MOST_OTHERS_TOLD
    told = [*others[:_MOST_OTHERS_TOLD], *([f"and {more} more"] if more > 0 else [])]
    return [
        f"further {what} are not read: {'; '.join(told)}",
        "to load one of them, write it to a file with "
        "'harmonizer read FILE --table NAME -o NAME.csv' and drop that",
    ]


def at_table(reader: TableReader, table: str) -> TableReader:
    """The same file, opened at another of its tables.

    Raises:
        ContentError: that one cannot be read as a table.
    """
    found: TableReader = getattr(reader, "at")(table)  # noqa: B009 - not every reader has it
    return found


def batches_with(reader: TableReader, wanted: npt.NDArray[np.int64]) -> Iterator[TextBatch]:
    """Batches that hold at least the rows of these records, by their ascending numbers.

    A reader that can find records without parsing the others has a method of this name.
    """
    find = getattr(reader, "batches_with", None)
    batches: Iterator[TextBatch] = reader.batches() if find is None else find(wanted)
    return batches

"""Rows that are kept out, each with its position, its text as it stood and every reason.

`rejects.csv` is made to be corrected in a spreadsheet and dropped back into the inbox: behind the
reasons stand the job and the cells under their own labels (see `corrected`).

While the file is read they wait in a spool on disk, in source order; rows that only the end of
the file shows to be bad (two persons under one key) are merged in when `rejects.csv` is written.
"""

from __future__ import annotations

import csv
import dataclasses
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from pipeline.corrections.rejectfile import HEADER, OURS, POSITION
from pipeline.errors import RowCode
from pipeline.messages import OutputFile
from pipeline.outputs.files import HashingFile, csv_line
from pipeline.outputs.spreadsheets import spreadsheet_safe

MOST_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One reason why one record is kept out.

    record, line: as in `formats.base.BadRecord`. field: the contract's field; empty when the whole
    record is meant. raw: the record's text as it stood. cells: the same as cells, by position;
    empty when the record does not have the table's shape. place: where it stands in a file without
    lines, such as `Results!C17`.
    """

    record: int
    line: int
    field: str
    code: RowCode
    sentence: str
    raw: str
    cells: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the rejects were read from: its job, its columns' labels and its separator, if any.

    has_places: its records stand at places that a line number does not tell; they get a column.
    commas: positions of columns whose numbers are written with a decimal comma.
    """

    job: str
    labels: tuple[str, ...]
    delimiter: str | None = None
    has_places: bool = False
    commas: frozenset[int] = frozenset()

    @property
    def header(self) -> tuple[str, ...]:
        """Header of `rejects.csv`: ours first, then the source's labels, made to differ."""
        return (*OURS, *((POSITION,) if self.has_places else ()), *self.named)

    @property
    def named(self) -> tuple[str, ...]:
        """The source's labels as `rejects.csv` has them, made to differ."""
        return _named(self.labels, self.has_places)

    def cells_of(self, reject: Reject) -> tuple[str, ...]:
        """A reject's cells, as many as there are labels; cut out of the raw text if need be."""
        width = len(self.labels)  # columns that were added to a reshaped table are not the source's
        return reject.cells[:width] or cells_in(reject.raw, self.delimiter, width)


@lru_cache(maxsize=256)
def _named(labels: tuple[str, ...], has_places: bool) -> tuple[str, ...]:
    taken = {*OURS, POSITION} if has_places else {*OURS}
    names = []
    for position, label in enumerate(labels):
        name = label.strip()
        if not name or name.casefold() in taken:
            name = f"{name} (column {position + 1})".strip()
        while name.casefold() in taken:
            name += "*"
        taken.add(name.casefold())
        names.append(spreadsheet_safe(name))
    return tuple(names)


def cells_in(raw: str, delimiter: str | None, width: int) -> tuple[str, ...]:
    """The first `width` cells of a record's text; empty ones where it has fewer."""
    cells: list[str] = []
    if delimiter is not None:
        with suppress(csv.Error, StopIteration):  # what cannot be read is still there as raw text
            cells = next(csv.reader(raw.splitlines(keepends=True), delimiter=delimiter))
    return (*cells[:width], *[""] * (width - len(cells)))


class RejectSpool:
    """Rejects on disk, in the order they were found, which is the order of the source."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None  # most files have no rejects

    def add(self, rejects: Iterable[Reject]) -> None:
        """Append rejects; their records must not go backwards."""
        for reject in rejects:
            if self._file is None:
                self._file = self._path.open("x", encoding="utf-8", errors="surrogatepass")
            row = (
                reject.record,
                reject.line,
                reject.field,
                reject.code.value,
                reject.sentence,
                reject.raw,
                reject.cells,
                reject.place,
            )
            self._file.write(json.dumps(row) + "\n")

    def __iter__(self) -> Iterator[Reject]:
        if self._file is None:
            return
        self._file.flush()
        with self._path.open(encoding="utf-8", errors="surrogatepass") as lines:
            for line in lines:
                record, number, field, code, sentence, raw, cells, place = json.loads(line)
                yield Reject(
                    record=record,
                    line=number,
                    field=field,
                    code=RowCode(code),
                    sentence=sentence,
                    raw=raw,
                    cells=tuple(cells),
                    place=place,
                )

    def remove(self) -> None:
        """Close and delete the spool; calling it again does nothing."""
        if self._file is None:
            return
        with suppress(OSError):  # closing writes what is buffered, and the disk may be full
            self._file.close()
        self._path.unlink(missing_ok=True)


@dataclass(slots=True)
class RejectTally:
    """What was written to `rejects.csv`: distinct records, and records by code and by field.

    ranges: the records, as ascending ranges [first, last].
    examples: the first few rejects of each code and field.
    """

    records: int = 0
    by_code: Counter[str] = dataclasses.field(default_factory=Counter)
    by_field: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    examples: dict[tuple[str, str], list[Reject]] = dataclasses.field(default_factory=dict)
    ranges: list[list[int]] = dataclasses.field(default_factory=list)
    _record: int = -1
    _seen: set[str | tuple[str, str]] = dataclasses.field(default_factory=set)

    def count(self, reject: Reject) -> None:
        """Count the next line; lines of one record stand together."""
        if reject.record != self._record:
            self.records += 1
            self._record = reject.record
            if self.ranges and self.ranges[-1][1] == reject.record - 1:
                self.ranges[-1][1] = reject.record
            else:
                self.ranges.append([reject.record, reject.record])
            self._seen.clear()
        code, place = reject.code.value, (reject.code.value, reject.field)
        self.by_code[code] += code not in self._seen
        self.by_field[place] += place not in self._seen
        self._seen |= {code, place}
        examples = self.examples.setdefault(place, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append(reject)


def write_rejects(
    path: Path,
    found_on_the_way: Iterable[Reject],
    found_at_the_end: Iterable[Reject],
    source: Source | None = None,
) -> tuple[OutputFile, RejectTally]:
    """Write `rejects.csv` in source order from two streams that are each in that order."""
    tally = RejectTally()
    merged = heapq.merge(found_on_the_way, found_at_the_end, key=lambda reject: reject.record)
    with HashingFile(path) as file:
        file.write(csv_line(HEADER if source is None else source.header))
        for reject in merged:
            tally.count(reject)
            file.write(_line(reject, source))
        return file.finish(), tally


def _line(reject: Reject, source: Source | None) -> bytes:
    cells: tuple[str, ...] = ()
    if source is not None:
        place = (reject.place,) if source.has_places else ()
        cells = (source.job, *place, *source.cells_of(reject))
    return csv_line(
        (
            reject.record,
            reject.line,
            reject.field,
            reject.code.value,
            spreadsheet_safe(reject.sentence),
            spreadsheet_safe(reject.raw),
            *map(spreadsheet_safe, cells),
        )
    )

"""Rejects that somebody corrected in a spreadsheet: recognised, read, and put in their place.

`rejects.csv` comes back with whatever a spreadsheet makes of it: other separators and quotes, CRLF,
cp1252 or UTF-16, a workbook, columns moved, filled up or cut short. What counts is told from the
original: a cell that still stands there as `rejects.csv` showed it was not touched, everything else
is a correction.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.corrections.rejectfile import JOB, our_places
from pipeline.corrections.returnedrows import Rows, is_workbook, returned_rows, with_comma
from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import BadRecord, TableReader, TextBatch
from pipeline.messages import Limits
from pipeline.outputs.rejects import Source, cells_in
from pipeline.outputs.spreadsheets import as_it_stood

_RECORD = re.compile(r"([1-9][0-9]{0,17})(?:[.,]0+)?")  # some programs save 7 as 7.0
_MOST_ROWS = 1_048_576  # what a spreadsheet holds; the rows are kept in memory


@dataclass(slots=True)
class Returned:
    """What came back about one record: one line for each fault it was kept out for."""

    line: int
    raws: list[str] = field(default_factory=list)
    cells: list[tuple[str, ...]] = field(default_factory=list)


def read_returned(path: Path, source: Source, limits: Limits) -> dict[int, Returned]:
    """The corrected rejects by record number.

    Raises:
        ContentError: CORRECTION_MISFIT when header, job or record numbers were changed, EMPTY,
            ENCODING, LIMIT_EXCEEDED.
    """
    rows = returned_rows(path, limits)
    commas = source.commas if is_workbook(path) else frozenset()
    try:
        labels = next(rows)
        found = _rows(rows, _places(labels, source), our_places(labels), source, commas)
    except (csv.Error, StopIteration):
        raise _misfit(f"line {rows.line_num} cannot be read as a row of cells") from None
    if not found:
        raise ContentError(FileCode.EMPTY, "the corrected rejects have a header and no rows")
    return _undamaged(found)


def _places(labels: Sequence[str], source: Source) -> list[int]:
    """Where the source's columns stand; their order may have been changed."""
    known = {as_it_stood(label.strip()): place for place, label in enumerate(labels)}
    wanted = [as_it_stood(label) for label in source.named]
    missing = [at + 1 for at, label in enumerate(wanted) if label not in known]
    if not our_places(labels) or missing:
        columns = ", ".join(map(str, missing))
        raise _misfit(f"the columns of {source.job} are not all there; missing: {columns or '?'}")
    return [known[label] for label in wanted]


def _rows(
    rows: Rows,
    places: Sequence[int],
    ours: Mapping[str, int],
    source: Source,
    commas: Collection[int],
) -> dict[int, Returned]:
    found: dict[int, Returned] = {}
    lines = 0
    widest = max([*places, *ours.values()], default=0) + 1
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        lines += 1
        if lines > _MOST_ROWS:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED, f"corrected rejects may have {_MOST_ROWS} rows"
            )
        for at in commas:
            if at < len(places) and places[at] < len(row):
                row[places[at]] = with_comma(row[places[at]])
        cells = [as_it_stood(cell) for cell in row]
        cells += [""] * (widest - len(cells))
        number, job = cells[ours["record"]].strip(), cells[ours[JOB]].strip()
        if job != source.job:
            raise _misfit(f"line {rows.line_num} belongs to another job than {source.job}")
        told = _RECORD.fullmatch(number)
        if told is None:
            raise _misfit(f"line {rows.line_num} has no record number")
        one = found.setdefault(int(told[1]), Returned(line=rows.line_num))
        if "raw" in ours:
            one.raws.append(cells[ours["raw"]])
        one.cells.append(tuple(cells[place] for place in places))
    return found


def _misfit(note: str) -> ContentError:
    return ContentError(FileCode.CORRECTION_MISFIT, note)


def _undamaged(found: dict[int, Returned]) -> dict[int, Returned]:
    """Undo what a program does that takes UTF-8 for cp1252 and saves that as UTF-8.

    Only when every cell beyond ASCII can be turned back: nothing is damaged in part.
    """
    texts = {
        text
        for one in found.values()
        for cells in [one.raws, *one.cells]
        for text in cells
        if not text.isascii()
    }
    repaired = {text: _once_less(text) for text in texts}
    if not texts or None in repaired.values():
        return found
    for one in found.values():
        one.raws = [repaired.get(text) or text for text in one.raws]
        one.cells = [tuple(repaired.get(text) or text for text in row) for row in one.cells]
    return found


def _once_less(text: str) -> str | None:
    with suppress(UnicodeError):
        return text.encode("cp1252").decode("utf-8")
    return None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is to be read for a record: its cells, or why they cannot be told."""

    cells: tuple[str, ...] | None = None
    sentence: str = ""


def _verdict(came: Returned, shown: tuple[str, ...], raw: str, delimiter: str | None) -> _Verdict:
    """The corrected cells of one record. `shown` and `raw` are what rejects.csv held of it."""
    cells = list(shown)
    for column in range(len(shown)):
        said = {row[column] for row in came.cells} - {shown[column], _as_saved(shown[column])}
        if len(said) > 1:
            return _Verdict(sentence="Two lines about this record correct one cell differently.")
        cells[column] = said.pop() if said else shown[column]
    edited = {text for text in came.raws if text not in (raw, _as_saved(raw))}
    if not edited:
        return _Verdict(tuple(cells))
    from_raw = {cells_in(text, delimiter, len(shown)) for text in edited}
    fits = all(_width(text, delimiter) == len(shown) for text in edited)
    if len(from_raw) == 1 and fits and tuple(cells) in (shown, *from_raw):
        return _Verdict(from_raw.pop())
    return _Verdict(sentence="The corrected raw text and the corrected cells do not agree.")


def _as_saved(text: str) -> str:
    """The same cell after a spreadsheet: line breaks of one kind, no space it does not keep."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _width(raw: str, delimiter: str | None) -> int:
    if delimiter is None:
        return 0
    with suppress(csv.Error, StopIteration):
        return len(next(csv.reader(raw.splitlines(keepends=True), delimiter=delimiter)))
    return 0


class CorrectedReader:
    """The original, read again with corrections in their place. Positions stay the original's.

    only: yield nothing but the records that came back, which is right when the others were
    delivered already.
    """

    def __init__(self, reader: TableReader, returned: dict[int, Returned], *, only: bool) -> None:
        self._reader = reader
        self._returned = returned
        self._only = only
        self._delimiter = reader.describe().get("delimiter")

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels, as the original has them."""
        return self._reader.header

    def describe(self) -> dict[str, Any]:
        """How the original is read."""
        return self._reader.describe()

    def batches(self) -> Iterator[TextBatch]:
        """The records in order.

        Raises:
            ContentError: CORRECTION_MISFIT when a record that came back is not in the original.
        """
        wanted = np.array(sorted(self._returned), dtype=np.int64)
        seen = 0
        for batch in self._reader.batches():
            batch = _narrowed(batch, wanted) if self._only else batch
            here = np.flatnonzero(np.isin(batch.records, wanted)).tolist()
            bad = [one for one in batch.bad if one.record in self._returned]
            seen += len(here) + len(bad)
            yield self._corrected(batch, here, bad) if here or bad else batch
        if seen != len(wanted):
            raise _misfit(f"{len(wanted) - seen} of its rows are no records of the original")

    def _corrected(self, batch: TextBatch, here: list[int], bad: list[BadRecord]) -> TextBatch:
        width = len(self.header)
        rows: dict[int, tuple[int, str, tuple[str, ...]]] = {}  # record: line, raw, cells
        refused: dict[int, BadRecord] = {}
        mended: set[tuple[int, int]] = set()
        for at in here:
            record, raw = int(batch.records[at]), batch.raw(at)
            shown = tuple(column[at].as_py() for column in batch.columns)
            verdict = _verdict(self._returned[record], shown, raw, self._delimiter)
            place = int(batch.lines[at])
            self._sort_in(record, place, raw, verdict, None, rows, refused)
            if verdict.cells is not None:
                pairs = zip(shown, verdict.cells, strict=True)
                mended |= {(record, at) for at, (old, new) in enumerate(pairs) if old != new}
        for one in bad:
            shown = cells_in(one.raw, self._delimiter, width)
            verdict = _verdict(self._returned[one.record], shown, one.raw, self._delimiter)
            fault = one if verdict.cells == shown else None  # as it was: it is still no row
            self._sort_in(one.record, one.line, one.raw, verdict, fault, rows, refused)
        faults = [one for one in batch.faults if (one.record, one.column) not in mended]
        return replace(_put_together(batch, rows, refused), faults=faults)

    @staticmethod
    def _sort_in(
        record: int,
        line: int,
        raw: str,
        verdict: _Verdict,
        fault: BadRecord | None,
        rows: dict[int, tuple[int, str, tuple[str, ...]]],
        refused: dict[int, BadRecord],
    ) -> None:
        if verdict.cells is not None and fault is None:
            rows[record] = (line, raw, verdict.cells)
        else:
            refused[record] = fault or BadRecord(
                record=record,
                line=line,
                raw=raw,
                code=RowCode.TYPE_ERROR,
                sentence=verdict.sentence,
            )


def _narrowed(batch: TextBatch, wanted: np.ndarray[Any, np.dtype[np.int64]]) -> TextBatch:
    """Only the wanted records of a batch; what was skipped belongs to the first reading."""
    chosen = np.flatnonzero(np.isin(batch.records, wanted))
    taken = pa.array(chosen)
    return TextBatch(
        columns=[column.take(taken) for column in batch.columns],
        records=batch.records[chosen],
        lines=batch.lines[chosen],
        raw=_raw_at(batch.raw, chosen.tolist()),
        bad=[one for one in batch.bad if one.record in set(wanted.tolist())],
        skipped={},
        place=batch.place,
        faults=batch.faults,
    )


def _raw_at(raw: Callable[[int], str], places: list[int]) -> Callable[[int], str]:
    return lambda at: raw(places[at])


def _put_together(
    batch: TextBatch,
    rows: dict[int, tuple[int, str, tuple[str, ...]]],
    refused: dict[int, BadRecord],
) -> TextBatch:
    """A batch whose corrected records stand in their order among the others."""
    others = np.flatnonzero(~np.isin(batch.records, [*rows, *refused]))
    new = sorted(rows)
    records = np.concatenate([batch.records[others], np.array(new, dtype=np.int64)])
    lines = np.concatenate([batch.lines[others], [rows[one][0] for one in new]]).astype(np.int64)
    order = np.argsort(records, kind="stable")
    kept, taken = pa.array(others), pa.array(order)
    columns = [
        pa.concat_arrays(
            [column.take(kept), pa.array([rows[one][2][at] for one in new], pa.string())]
        ).take(taken)
        for at, column in enumerate(batch.columns)
    ]
    raws = [*others.tolist(), *new]
    count = len(others)

    def raw(at: int) -> str:
        place = int(order[at])
        return batch.raw(raws[place]) if place < count else rows[raws[place]][1]

    gone = {*rows, *refused}
    bad = [one for one in batch.bad if one.record not in gone] + list(refused.values())
    return replace(
        batch,
        columns=columns,
        records=records[order].astype(np.int64),
        lines=lines[order],
        raw=raw,
        bad=sorted(bad, key=lambda one: one.record),
    )

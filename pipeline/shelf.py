"""Batches of delimited text that are put by in a file without a name, and fetched again.

Of a batch lie there: where its records stand, what of them is no row, the cleaned cells of columns
that were read, and the cells as they stood of columns nobody read. Its text stays in the source.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RowCode
from pipeline.formats.base import BadRecord, KnownCells, TextBatch
from pipeline.formats.blockrows import Arrays, BlockRows
from pipeline.standardize.base import Converted, Rows

_FREE_BYTES = 1 << 30  # so much stays free on the disk, and as much as was put by

Found = Mapping[int, KnownCells]
"""What was read from the columns of a batch, by position."""


class NotKept(Exception):
    """A batch cannot be put by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Put:
    """One batch on the shelf.

    begin, cells, end: where its records lie in the file, where its cells begin and end. again:
    makes its columns. records: its first and last one.
    """

    begin: int
    cells: int
    end: int
    again: Callable[[Arrays], BlockRows]
    skipped: dict[str, int]
    records: tuple[int, int]


class Shelf:
    """Batches of delimited text in a file that has no name."""

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as we do
        self._put: list[_Put] = []
        self._how: dict[int, object] = {}

    def add(self, batch: TextBatch) -> None:
        """Append a batch.

        Raises:
            OSError: there is not enough room.
            NotKept: it is no batch of delimited text.
        """
        columns = batch.columns
        if not isinstance(columns, BlockRows) or batch.place is not None or batch.faults:
            raise NotKept
        begin = self._file.seek(0, os.SEEK_END)
        disk = os.fstatvfs(self._file.fileno())
        if disk.f_bavail * disk.f_frsize < begin + _FREE_BYTES:
            raise NotKept
        arrays, again = columns.put_by(without=batch.known)
        numbers = [*batch.records.tolist()[:: max(len(batch.records) - 1, 1)]]
        numbers += [one.record for one in batch.bad]
        _pack({**arrays, **_places_of(batch)}, self._file)
        cells = self._file.tell()
        _pack(_arrays_of(batch.known), self._file)
        self._how = {at: known.how for at, known in batch.known.items()}
        self._put.append(
            _Put(
                begin=begin,
                cells=cells,
                end=self._file.tell(),
                again=again,
                skipped=batch.skipped,
                records=(min(numbers, default=0), max(numbers, default=-1)),
            )
        )

    def batches(self) -> Iterator[TextBatch]:
        """All of them, in order, with what is known of their cells."""
        for put in self._put:
            known = _known_of(_unpack(self._read(put.cells, put.end)), self._how)
            yield replace(self._batch(put), known=known)

    def batches_with(self, wanted: npt.NDArray[np.int64]) -> Iterator[TextBatch]:
        """Those with one of these records; their cells as they stood."""
        for put in self._put:
            low, high = np.searchsorted(wanted, (put.records[0], put.records[1] + 1))
            if low < high:
                yield self._batch(put)

    def _batch(self, put: _Put) -> TextBatch:
        arrays = _unpack(self._read(put.begin, put.cells))
        columns = put.again(arrays)
        return TextBatch(
            columns=columns,
            records=np.asarray(arrays["records"]),
            lines=np.asarray(arrays["lines"]),
            raw=columns.raw,
            bad=_bad_of(arrays),
            skipped=put.skipped,
        )

    def _read(self, begin: int, end: int) -> bytes:
        self._file.seek(begin)
        return self._file.read(end - begin)

    def close(self) -> None:
        """Give up the file."""
        self._file.close()

    def __del__(self) -> None:
        """As `close`: a file that is refused half-way leaves nobody to call it."""
        self.close()


def _places_of(batch: TextBatch) -> dict[str, pa.Array]:
    return {
        "records": pa.array(batch.records),
        "lines": pa.array(batch.lines),
        "bad/record": pa.array([one.record for one in batch.bad], pa.int64()),
        "bad/line": pa.array([one.line for one in batch.bad], pa.int64()),
        "bad/raw": pa.array([one.raw for one in batch.bad], pa.string()),
        "bad/code": pa.array([one.code.value for one in batch.bad], pa.string()),
        "bad/sentence": pa.array([one.sentence for one in batch.bad], pa.string()),
    }


def _bad_of(arrays: Arrays) -> list[BadRecord]:
    parts = (arrays[f"bad/{name}"].to_pylist() for name in ("record", "line", "raw", "code"))
    rows = zip(*parts, arrays["bad/sentence"].to_pylist(), strict=True)
    return [
        BadRecord(record=record, line=line, raw=raw, code=RowCode(code), sentence=sentence)
        for record, line, raw, code, sentence in rows
    ]


_CHANGED, _BAD, _MARKED, _BECAME = "changed", "refused", "marked", "became"


def _arrays_of(found: Found) -> dict[str, pa.Array]:
    arrays: dict[str, pa.Array] = {}
    for at, known in found.items():
        arrays[f"{at}/cells"] = known.cells
        groups: dict[str, Mapping[Any, Rows]] = {_CHANGED: known.changed}
        made = known.converted
        if made is not None and not made.extra:
            arrays[f"{at}/values"] = made.values
            groups |= {_BAD: made.bad, _MARKED: made.marked, _BECAME: made.changed}
        for group, reasons in groups.items():
            for reason, rows in reasons.items():
                arrays[f"{at}/{group}/{reason}"] = pa.array(rows)
    return arrays


def _known_of(arrays: Arrays, how: Mapping[int, object]) -> dict[int, KnownCells]:
    groups: dict[tuple[int, str], dict[str, Rows]] = {}
    for name, array in arrays.items():
        place, _, rest = name.partition("/")
        group, _, reason = rest.partition("/")
        if reason:
            groups.setdefault((int(place), group), {})[reason] = np.asarray(array)
    found: dict[int, KnownCells] = {}
    for at, rule in how.items():
        changed = groups.get((at, _CHANGED), {})
        values = arrays.get(f"{at}/values")
        made = None if values is None else _converted(values, at, groups)
        found[at] = KnownCells(rule, arrays[f"{at}/cells"], changed, made)
    return found


def _converted(
    values: pa.Array, at: int, groups: Mapping[tuple[int, str], dict[str, Rows]]
) -> Converted:
    bad, marked = (groups.get((at, group), {}) for group in (_BAD, _MARKED))
    return Converted(
        values=values,
        bad={RowCode(code): rows for code, rows in bad.items()},
        marked={RowCode(code): rows for code, rows in marked.items()},
        changed=groups.get((at, _BECAME), {}),
    )


def _pack(arrays: Arrays, file: BinaryIO) -> None:
    """Append arrays of any lengths to a file, each as the one list of a column."""
    lists = [
        pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), array)
        for array in arrays.values()
    ]
    batch = pa.RecordBatch.from_arrays(lists, names=list(arrays))
    with pa.ipc.new_stream(pa.PythonFile(file, mode="w"), batch.schema) as stream:
        stream.write_batch(batch)


def _unpack(data: bytes) -> dict[str, pa.Array]:
    with pa.ipc.open_stream(data) as stream:
        batch = stream.read_next_batch()
    return {
        name: column.values for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }

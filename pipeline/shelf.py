"""Batches of delimited text that are put by in a file without a name, and fetched again.

Of a batch lie there: where its records stand, what of them is no row, the cleaned cells of columns
that were read, and the cells as they stood of columns nobody read. Its text stays in the source.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
    makes its columns. records: its first and last one. is_parted: further cells are in another
    file.
    """

    begin: int
    cells: int
    end: int
    again: Callable[[Arrays], BlockRows]
    skipped: dict[str, int]
    records: tuple[int, int]
    is_parted: bool


Places = Sequence[tuple[int, int]]
"""Where the cells of one batch after another begin and end in a file."""


class CellFile:
    """Cells of batches, one after another, in a file that has no name."""

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as we do

    def append(self, arrays: Arrays) -> tuple[int, int]:
        """Write arrays behind what is there; where they begin and end.

        Raises:
            OSError: there is no room.
            NotKept: there would be too little room for others.
        """
        begin = self._file.seek(0, os.SEEK_END)
        disk = os.fstatvfs(self._file.fileno())
        if disk.f_bavail * disk.f_frsize < begin + _FREE_BYTES:
            raise NotKept
        _pack(arrays, self._file)
        self._file.flush()
        return begin, self._file.tell()

    def put_by(self, found: Found) -> tuple[int, int]:
        """As `append`, of what was read from columns."""
        return self.append(_arrays_of(found))

    def arrays(self, begin: int, end: int) -> dict[str, pa.Array]:
        """What was written there. Other processes may read the same file meanwhile."""
        return _unpack(_read(self._file.fileno(), begin, end))

    def close(self) -> None:
        """Give up the file."""
        self._file.close()

    def __del__(self) -> None:
        """As `close`: a file that is refused half-way leaves nobody to call it."""
        self.close()


class Shelf:
    """Batches of delimited text in a file that has no name, or in two."""

    def __init__(self, folder: Path) -> None:
        self._file = CellFile(folder)
        self._put: list[_Put] = []
        self._how: dict[int, object] = {}
        self._other: CellFile | None = None
        self._places: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._put)

    def add(self, batch: TextBatch, elsewhere: Collection[int] = ()) -> None:
        """Append a batch. The cells of the columns `elsewhere` are put by in another file.

        Raises:
            OSError: there is not enough room.
            NotKept: it is no batch of delimited text.
        """
        columns = batch.columns
        if not isinstance(columns, BlockRows) or batch.place is not None or batch.faults:
            raise NotKept
        arrays, again = columns.put_by(without={*batch.known, *elsewhere})
        numbers = [*batch.records.tolist()[:: max(len(batch.records) - 1, 1)]]
        numbers += [one.record for one in batch.bad]
        begin, cells = self._file.append({**arrays, **_places_of(batch)})
        _, end = self._file.put_by(batch.known)
        self._how |= {at: known.how for at, known in batch.known.items()}
        self._put.append(
            _Put(
                begin=begin,
                cells=cells,
                end=end,
                again=again,
                skipped=batch.skipped,
                records=(min(numbers, default=0), max(numbers, default=-1)),
                is_parted=bool(elsewhere),
            )
        )

    def join(self, other: CellFile, places: Places) -> None:
        """Take in the cells of the parted batches, in their order, from another file."""
        parted = (at for at, put in enumerate(self._put) if put.is_parted)
        self._other, self._places = other, dict(zip(parted, places, strict=True))

    def batches(self) -> Iterator[TextBatch]:
        """All of them, in order, with what is known of their cells."""
        return map(self.batch, range(len(self)))

    def batch(self, at: int) -> TextBatch:
        """One of them; threads and processes may ask for several at the same time."""
        put = self._put[at]
        arrays = self._file.arrays(put.cells, put.end)
        if self._other is not None and put.is_parted:
            arrays |= self._other.arrays(*self._places[at])
        return replace(self._batch(put), known=_known_of(arrays, self._how))

    def batches_with(self, wanted: npt.NDArray[np.int64]) -> Iterator[TextBatch]:
        """Those with one of these records; their cells as they stood."""
        for put in self._put:
            low, high = np.searchsorted(wanted, (put.records[0], put.records[1] + 1))
            if low < high:
                yield self._batch(put)

    def _batch(self, put: _Put) -> TextBatch:
        arrays = self._file.arrays(put.begin, put.cells)
        columns = put.again(arrays)
        return TextBatch(
            columns=columns,
            records=np.asarray(arrays["records"]),
            lines=np.asarray(arrays["lines"]),
            raw=columns.raw,
            bad=_bad_of(arrays),
            skipped=put.skipped,
        )

    def close(self) -> None:
        """Give up the files."""
        for one in (self._file, self._other):
            if one is not None:
                one.close()


def _read(file: int, begin: int, end: int) -> bytes:
    """The bytes [begin, end) of an open file, whose own position does not matter.

    Raises:
        OSError: there are fewer.
    """
    pieces = []
    while begin < end:
        piece = os.pread(file, end - begin, begin)
        if not piece:
            raise OSError("what was put by has become shorter")
        pieces.append(piece)
        begin += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


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

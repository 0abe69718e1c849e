"""What cells look like as dates: text becomes numbered parts and a shape; nothing is decided here.

A *shape* is the layout that decides together: separators, width of the year, presence and clock of
a time. `9/3/2025` and `19/03/2025` are one shape, `99/99/9999`; `19-03-2025` is another. Which part
is the day is not this module's business.

Cells of equal length are gathered into byte matrices, classified by a table of 256 entries, and
read column by column. Spellings with words go once per distinct text through `datewords`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.same import Same
from pipeline.standardize.civil import Ints, Longs
from pipeline.standardize.datelayout import Family, Layout, Shape, layout_of
from pipeline.standardize.datereader import NO_OFFSET, read_parts
from pipeline.standardize.datewords import rewrite
from pipeline.standardize.textbytes import bytes_of, gather
from pipeline.standardize.wholetexts import FEW

Matrix = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

MISSING = -2
UNREADABLE = -1
NO_TIME = -1

_LONGEST = 40  # bytes; no numeric date is longer
_MOST_SHAPES = 64  # of one length in one batch that are told apart by vector compare
_REPEATS_BELOW = 0.5  # share of distinct values under which a column is read by its distinct ones
_SAMPLE = 1024

_CLASS: Matrix = np.full(256, ord("?"), dtype=np.uint8)
_CLASS[0x20:0x7F] = np.arange(0x20, 0x7F, dtype=np.uint8)
_CLASS[ord("0") : ord("9") + 1] = ord("9")
_CLASS[ord("A") : ord("Z") + 1] = ord("a")
_CLASS[ord("a") : ord("z") + 1] = ord("a")
_PICTURE = _CLASS.tobytes()
_NUMBERS = {Family.ORDERED: "abc", Family.YEAR_FIRST: "ymd"}
"""Names of the parts of dates that are written in numbers alone."""


@dataclass(slots=True)
class Parsed:
    """One batch as numbers. Every array has an entry per value.

    shape: index into `shapes`, MISSING or UNREADABLE.
    first, second, third: the parts in the order written (ORDERED), or year, month, day; of a
        NUMBER: its integer part, 0 and how many digits that was written with.
    micros: microseconds since midnight, NO_TIME or BAD_TIME. offset: minutes east of UTC or
        NO_OFFSET. shortened: digits below a microsecond were written, and are dropped.
    zone: index into `zones`, -1 when none is named. language: index into `languages`, 0 for
        English. weekday: 0 for Monday, -1 when none is named.
    """

    shape: Ints
    first: Ints
    second: Ints
    third: Ints
    micros: Longs
    offset: Ints
    zone: Ints
    language: Ints
    weekday: Ints
    shortened: npt.NDArray[np.bool_]
    shapes: list[Shape] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    languages: list[frozenset[str]] = field(default_factory=lambda: [frozenset()])

    @classmethod
    def blank(cls, count: int) -> Parsed:
        """`count` unreadable values."""

        def filled(value: int) -> Ints:
            return np.full(count, value, dtype=np.int32)

        return cls(
            shape=filled(UNREADABLE),
            first=np.zeros(count, dtype=np.int32),
            second=np.zeros(count, dtype=np.int32),
            third=np.zeros(count, dtype=np.int32),
            micros=np.full(count, NO_TIME, dtype=np.int64),
            offset=filled(NO_OFFSET),
            zone=filled(-1),
            language=np.zeros(count, dtype=np.int32),
            weekday=filled(-1),
            shortened=np.zeros(count, dtype=np.bool_),
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The per-value arrays, by name."""
        names = ("shape", "first", "second", "third", "micros", "offset")
        return {n: getattr(self, n) for n in (*names, "zone", "language", "weekday", "shortened")}

    def take(self, positions: Positions) -> Parsed:
        """The values at `positions`; a position of -1 is a missing value."""
        if not len(self.shape):
            missing = Parsed.blank(len(positions))
            missing.shape[:] = MISSING
            return missing
        taken = {name: array[positions] for name, array in self.arrays().items()}
        taken["shape"][positions < 0] = MISSING
        return Parsed(**taken, shapes=self.shapes, zones=self.zones, languages=self.languages)

    def rows_by_shape(self) -> Iterator[tuple[Shape, Positions | slice]]:
        """Each shape that occurs with its rows; a slice when every row has it."""
        for index, shape in enumerate(self.shapes):
            has_it = self.shape == index
            count = np.count_nonzero(has_it)
            if count == len(has_it):
                yield shape, slice(None)
            elif count:
                yield shape, np.flatnonzero(has_it)

    def index_of(self, shape: Shape) -> int:
        """Index of a shape in `shapes`, added when new."""
        return _index_in(self.shapes, shape)


def _index_in(known: list[Any], item: object) -> int:
    if item not in known:
        known.append(item)
    return known.index(item)


def parse(values: pa.StringArray) -> Parsed:
    """Take cleaned texts apart. Never fails; what is no date is UNREADABLE.

    Nobody changes what is given: the few texts of a small file are taken apart once.
    """
    if len(values) <= FEW:
        return _parse_few(Same(values))
    if len(values) > _SAMPLE:
        sample = values.slice(0, _SAMPLE)
        if len(sample.unique()) < _REPEATS_BELOW * _SAMPLE:
            encoded = values.dictionary_encode()
            slots = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            return _parse_each(encoded.dictionary).take(slots.astype(np.int64))
    return _parse_each(values)


@lru_cache(maxsize=64)
def _parse_few(of: Same[pa.StringArray]) -> Parsed:
    return _parse_each(of.thing)


def _parse_each(values: pa.StringArray) -> Parsed:
    parsed = Parsed.blank(len(values))
    if values.null_count:
        parsed.shape[values.is_null().to_numpy(zero_copy_only=False)] = MISSING
    if len(values) <= FEW and _read_alike(values, parsed):
        return parsed
    worded = _read_numeric(values, parsed)
    if len(worded):
        _read_worded(values, worded, parsed)
    return parsed


def _read_alike(values: pa.StringArray, parsed: Parsed) -> bool:
    """Read a few texts that are all written in one way, as dates of numbers; False for others."""
    texts = [None if text is None else text.encode() for text in values.to_pylist()]
    pictures = {text.translate(_PICTURE) for text in texts if text is not None}
    picture = pictures.pop() if len(pictures) == 1 else b""
    layout = layout_of(picture.decode("ascii")) if len(picture) in range(1, _LONGEST + 1) else None
    names = None if layout is None or layout.shape.timed else _NUMBERS.get(layout.shape.family)
    if layout is None or names is None:
        return False
    rows = [row for row, text in enumerate(texts) if text is not None]
    parsed.shape[rows] = parsed.index_of(layout.shape)
    for part, name in zip((parsed.first, parsed.second, parsed.third), names, strict=True):
        start, end = layout.spans[name]
        part[rows] = [int(text[start:end]) for text in texts if text is not None]
    return True


def _read_numeric(values: pa.StringArray, parsed: Parsed) -> Positions:
    """Read the rows with a known byte shape; return the rows worth reading as words."""
    worded: list[Positions] = []
    for rows, matrix in _by_length(values):
        for members, picture in _by_picture(matrix):
            layout = layout_of(picture)
            group = matrix if isinstance(members, slice) else matrix[members]
            group_rows = rows[members]
            unread = group_rows if layout is None else _place(group, layout, group_rows, parsed)
            if len(unread) and "9" in picture and not picture.isdigit() and _has_words(picture):
                worded.append(unread)
    longer = _rows_longer_than_a_number(values)
    return np.concatenate([*worded, longer]) if worded or len(longer) else longer


def _has_words(picture: str) -> bool:
    return any(character in "a?" for character in picture) or "  " in picture


def _rows_longer_than_a_number(values: pa.StringArray) -> Positions:
    lengths = lengths_of(values)
    return np.flatnonzero((lengths > _LONGEST) & (lengths <= 4 * _LONGEST))


def _place(matrix: Matrix, layout: Layout, rows: Positions, parsed: Parsed) -> Positions:
    """Write the parts of one group into `parsed`; return the rows whose letters do not fit."""
    parts = read_parts(matrix, layout)
    refused = rows[:0]
    if parts.fits is not None and not parts.fits.all():
        refused, rows = rows[~parts.fits], rows[parts.fits]
        parts = parts.only_fitting()
    target: Positions | slice = slice(None) if len(rows) == len(parsed.shape) else rows
    parsed.shape[target] = parsed.index_of(layout.shape)
    parsed.first[target] = parts.first
    parsed.second[target] = parts.second
    parsed.third[target] = parts.third
    if parts.micros is not None:
        parsed.micros[target] = parts.micros
    if parts.offset is not None:
        parsed.offset[target] = parts.offset
    if parts.shortened is not None:
        parsed.shortened[target] = parts.shortened
    return refused


def lengths_of(values: pa.StringArray) -> Ints:
    """How many bytes each text has; 0 for null."""
    lengths: Ints = np.diff(bytes_of(values)[1])
    if values.null_count:
        lengths = np.where(values.is_null().to_numpy(zero_copy_only=False), 0, lengths)
    return lengths


def _by_length(values: pa.StringArray) -> Iterator[tuple[Positions, Matrix]]:
    """Yield (rows, bytes as a matrix) for each length of the non-null texts."""
    data, offsets = bytes_of(values)
    starts, lengths = offsets[:-1], lengths_of(values)
    present = np.bincount(np.minimum(lengths, _LONGEST + 1), minlength=_LONGEST + 2)
    for length in range(1, _LONGEST + 1):
        if not present[length]:
            continue
        rows = np.flatnonzero(lengths == length)
        yield rows, gather(data, starts[rows], length)


def _by_picture(matrix: Matrix) -> Iterator[tuple[Positions | slice, str]]:
    """Group the rows of a matrix by picture: digits as 9, letters as a, other bytes as they are.

    After `_MOST_SHAPES` groups the rest is one group with the picture "9?": worth a look as words.
    """
    count, length = matrix.shape
    padded = np.zeros((count, -length % 8 + length), dtype=np.uint8)
    padded[:, :length] = _CLASS[matrix]
    keys = padded.view(np.uint64)
    left: Positions | None = None
    for _ in range(_MOST_SHAPES):
        here = keys if left is None else keys[left]
        same = (here == here[0]).all(axis=1) if here.shape[1] > 1 else here[:, 0] == here[0, 0]
        first = 0 if left is None else int(left[0])
        picture = padded[first, :length].tobytes().decode("ascii")
        if same.all():
            yield slice(None) if left is None else left, picture
            return
        members = np.flatnonzero(same)
        yield members if left is None else left[members], picture
        left = np.flatnonzero(~same) if left is None else left[~same]
    if left is not None and len(left):
        yield left, "9?"


def _read_worded(values: pa.StringArray, rows: Positions, parsed: Parsed) -> None:
    """Read texts with words, each distinct one once."""
    encoded = values.take(pa.array(rows)).dictionary_encode()
    rewritten = [rewrite(text) for text in encoded.dictionary.to_pylist()]
    plain = pa.array([None if r is None else r.text for r in rewritten], pa.string())
    distinct = Parsed.blank(len(plain))
    _read_numeric(plain, distinct)
    for slot, words in enumerate(rewritten):
        if words is not None and distinct.shape[slot] != UNREADABLE:
            if words.weekday is not None:
                distinct.weekday[slot] = words.weekday
            if words.zone is not None:
                distinct.zone[slot] = _index_in(parsed.zones, words.zone.upper())
            distinct.language[slot] = _index_in(parsed.languages, words.languages)
    renumbered = np.array(
        [*map(parsed.index_of, distinct.shapes), MISSING, UNREADABLE], dtype=np.int32
    )
    distinct.shape = renumbered[distinct.shape]
    slots = encoded.indices.to_numpy(zero_copy_only=False)
    for name, array in distinct.arrays().items():
        getattr(parsed, name)[rows] = array[slots]

"""One key, one row. What is said twice is dropped and counted; what is contradicted is kept out.

Rows come as Arrow batches in source order and are known by their position in that order. Three
looks are taken, each at fewer rows:

1. `KeyFilter` keeps 8 bytes a row, a hash of the key, and names the rows whose hash occurs twice.
   It may only err by naming too many: equal keys always have equal hashes.
2. Those rows get a 128-bit BLAKE2b digest of their key and of their content (40 bytes a row).
   Groups whose content is one are settled there.
3. Rows of one key with different content are materialised and compared field by field.

Content is compared in its *matching form*: letters without case, apostrophes of one kind, one
space for any run of space (hazards J158, D62). Times are compared by the moment they name, whatever
their offset, and numbers by their amount, whatever zeros end them; fields of the key, identifiers
and codes exactly. What is written is always the row as it was, never its matching form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RowCode
from pipeline.rows.keyfilter import Comparison, KeyFilter, Positions
from pipeline.rows.rowstore import RowStore

Survivorship = Literal["first", "last", "most_complete", "merge", "reject"]
T = TypeVar("T")
Batches = Callable[[], Iterator[pa.RecordBatch]]
"""Gives the rows from the first on, as often as it is called."""
Digests = npt.NDArray[np.uint64]
"""128-bit digests, as two words each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRules:
    """What makes two rows one. Names are columns of the batches.

    key: the primary key; empty means the whole row is its own key.
    unique: further groups of fields no two rows may share; null equals nothing.
    conflict: fields that, stated differently under one key, mean two persons or two results.
    identical: whether rows equal in everything are dropped to their first.
    exact: fields compared letter by letter; the key's always are. moments: fields of times with
    offset, compared by the moment they name. numbers: fields of decimal numbers, by their amount.
    """

    fields: tuple[str, ...]
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    conflict: tuple[str, ...] = ()
    survivorship: Survivorship = "reject"
    identical: Literal["drop", "keep"] = "drop"
    exact: frozenset[str] = frozenset()
    moments: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()

    @property
    def comparison(self) -> Comparison:
        """How the values of fields are compared."""
        return Comparison(self.exact, self.moments, self.numbers)

    @property
    def grouping(self) -> tuple[str, ...]:
        """The fields that put rows into one group."""
        return self.key or self.fields

    @property
    def judged(self) -> tuple[str, ...]:
        """The fields that, stated differently under one key, keep all its rows out."""
        if self.survivorship != "reject":
            return self.conflict
        return tuple(name for name in self.fields if name not in self.key)

    @property
    def settles_keys(self) -> bool:
        """False when any row may stand beside any other."""
        return bool(self.key) or self.identical == "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReject:
    """Why a row is kept out. `fields` are the fields to look at first."""

    code: RowCode
    fields: tuple[str, ...]
    sentence: str


@dataclass(slots=True, kw_only=True)
class Resolution:
    """What becomes of the rows, by position. Rows named nowhere are written as they are.

    dropped: true for each row that says nothing new. rejected: rows kept out. filled: values a
    surviving row takes over from the rows dropped in its favour, by field. merged: those rows.
    """

    dropped: npt.NDArray[np.bool_]
    rejected: dict[int, KeyReject] = field(default_factory=dict)
    filled: dict[int, dict[str, Any]] = field(default_factory=dict)
    merged: dict[int, tuple[int, ...]] = field(default_factory=dict)


_KEYS_AT_ONCE = 2_000  # as Python's own rows, a few KB each
_KEYS_PICKED = 10_000  # as Arrow's; more take another look at all that are in doubt


class Deduplicator:
    """Watches the rows go by, then says what becomes of each."""

    def __init__(self, rules: KeyRules, folder: Path | None = None) -> None:
        """`folder` is where the filters put what is too much for memory."""
        self._rules = rules
        self._folder = folder
        self._comparison = rules.comparison.exactly(rules.key)
        self._rows = 0
        self._filter = KeyFilter(
            rules.grouping, self._comparison, null_is_a_value=True, folder=folder
        )
        self._unique = {
            fields: KeyFilter(
                fields, self._comparison.exactly(fields), null_is_a_value=False, folder=folder
            )
            for fields in rules.unique
        }

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows, which passed every other check."""
        self._rows += batch.num_rows
        if self._rules.settles_keys:
            self._filter.add(batch)
        for unique in self._unique.values():
            unique.add(batch)

    def known_keys(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Those of these ascending hashes of primary keys that some row has."""
        return self._filter.known(hashes)

    def close(self) -> None:
        """Give up what is on disk; nothing can be decided any more."""
        for one in (self._filter, *self._unique.values()):
            one.close()

    def resolve(self, batches: Batches, without: Positions | None = None) -> Resolution:
        """Decide. `batches` gives the same rows, in the same order, as `add` saw.

        `without`: positions of rows that are out already; nothing is decided about them.
        """
        out = np.empty(0, dtype=np.int64) if without is None else without
        resolution = Resolution(dropped=np.zeros(self._rows, dtype=bool))
        if self._rules.settles_keys:
            candidates = _beside(self._filter.repeated(), out)
            if len(candidates):
                self._settle_keys(batches, candidates, resolution)
        for fields, unique in self._unique.items():
            candidates = _beside(unique.repeated(), out)
            if len(candidates):
                self._settle_unique(batches, candidates, fields, resolution)
        return resolution

    def _settle_keys(self, batches: Batches, candidates: Positions, into: Resolution) -> None:
        with self._aside(batches, candidates) as doubtful:
            self._settle_doubtful(doubtful, candidates, into)

    @contextmanager
    def _aside(self, batches: Batches, candidates: Positions) -> Iterator[Batches]:
        """The candidates alone: whoever looks at them again need not look at all rows."""
        store = RowStore(None if self._folder is None else self._folder / ".doubtful.arrow")
        try:
            for _, chosen in _chosen(batches, candidates):
                store.add(chosen.select(list(self._rules.fields)))
            store.close()
            yield store.batches
        finally:
            store.remove()

    def _settle_doubtful(self, doubtful: Batches, candidates: Positions, into: Resolution) -> None:
        keys, contents = self._digests(doubtful)
        order, starts = _grouped(keys)
        same_as_first = (
            contents[order] == np.repeat(contents[order][starts], _sizes(starts, order), axis=0)
        ).all(axis=1)
        uniform = np.repeat(np.logical_and.reduceat(same_as_first, starts), _sizes(starts, order))
        repeats = np.ones(len(order), dtype=bool)
        repeats[starts] = False
        if self._rules.identical == "drop":
            into.dropped[candidates[order[uniform & repeats]]] = True
        self._settle_mixed(doubtful, candidates, order, starts, uniform, into)

    def _settle_mixed(
        self,
        doubtful: Batches,
        candidates: Positions,
        order: Positions,
        starts: Positions,
        uniform: npt.NDArray[np.bool_],
        into: Resolution,
    ) -> None:
        """Compare the rows of those keys whose contents are not one."""
        if uniform.all():
            return
        ends = np.append(starts[1:], len(order))
        mixed = np.flatnonzero(~uniform[starts])
        groups = [order[starts[at] : ends[at]] for at in mixed.tolist()]
        for some in _slices(groups, _KEYS_PICKED):
            picked = _Picked(
                doubtful, np.sort(np.concatenate(some)), self._rules.fields, self._comparison
            )
            for few in _slices(some, _KEYS_AT_ONCE):
                rows = picked.at(np.sort(np.concatenate(few)))
                for places in few:
                    group = [(int(candidates[place]), *rows[place]) for place in places.tolist()]
                    _settle_group(group, self._rules, into)

    def _digests(self, doubtful: Batches) -> tuple[Digests, Digests]:
        keys: list[Digests] = []
        contents: list[Digests] = []
        for batch in doubtful():
            matched = _matched(batch, self._rules.fields, self._comparison)
            keys.append(_halves(_digest_rows([matched[name] for name in self._rules.grouping])))
            if self._rules.key:
                contents.append(_halves(_digest_rows(list(matched.values()))))
        return np.concatenate(keys), np.concatenate(contents or keys)

    def _settle_unique(
        self, batches: Batches, candidates: Positions, fields: tuple[str, ...], into: Resolution
    ) -> None:
        digests: list[bytes] = []
        comparison = self._comparison.exactly(fields)
        for _, chosen in _chosen(batches, candidates):
            matched = _matched(chosen, fields, comparison)
            digests.extend(_digest_rows(list(matched.values())))
        why = KeyReject(
            code=RowCode.UNIQUE_ERROR,
            fields=fields,
            sentence=f"Another row has the same {_listed(fields)}, which must be unique.",
        )
        order, starts = _grouped(_halves(digests))
        for members in np.split(order, starts[1:]):
            alive = [
                position
                for position in candidates[members].tolist()
                if not into.dropped[position] and position not in into.rejected
            ]
            if len(alive) > 1:
                into.rejected.update(dict.fromkeys(alive, why))


def _beside(positions: Positions, out: Positions) -> Positions:
    """The positions, ascending, that are not out."""
    return np.setdiff1d(positions, out) if len(positions) else positions


def _slices(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """The items in order, at most so many at a time."""
    for start in range(0, len(items), most):
        yield items[start : start + most]


def _settle_group(
    group: list[tuple[int, dict[str, Any], dict[str, Any]]], rules: KeyRules, into: Resolution
) -> None:
    """Decide one key with different contents; `group` holds (position, row, matching form)."""
    positions = [position for position, _, _ in group]
    forms = [form for _, _, form in group]
    persons = contradicted(forms, rules.conflict)
    if persons or rules.survivorship == "reject":
        differing = persons or tuple(
            name for name in rules.fields if len({form[name] for form in forms}) > 1
        )
        _reject(positions, RowCode.KEY_CONFLICT, rules, differing, into)
    elif rules.survivorship in ("first", "last"):
        survivor = positions[0] if rules.survivorship == "first" else positions[-1]
        into.dropped[[position for position in positions if position != survivor]] = True
    elif disagreed := contradicted(forms, rules.fields):
        _reject(positions, RowCode.PRIMARY_KEY, rules, disagreed, into)
    else:
        _merge(group, into)


def _reject(
    positions: list[int],
    code: RowCode,
    rules: KeyRules,
    differing: tuple[str, ...],
    into: Resolution,
) -> None:
    why = conflict_of(len(positions), rules, differing, code)
    into.rejected.update(dict.fromkeys(positions, why))


@lru_cache(maxsize=1_024)
def conflict_of(
    rows: int,
    rules: KeyRules,
    differing: tuple[str, ...],
    code: RowCode = RowCode.KEY_CONFLICT,
) -> KeyReject:
    """Why so many rows of one key are kept out."""
    return KeyReject(
        code=code,
        fields=differing,
        sentence=(
            f"{rows} rows have the same {_listed(rules.key)} "
            f"but differ in {_listed(differing)}; all of them are kept out."
        ),
    )


def _merge(group: list[tuple[int, dict[str, Any], dict[str, Any]]], into: Resolution) -> None:
    """Keep the fullest row (the first of equals) and fill what it lacks from the others."""
    fullest = max(group, key=lambda member: sum(value is not None for value in member[1].values()))
    survivor, kept, _ = fullest
    filled: dict[str, Any] = {}
    for position, row, _ in group:
        if position == survivor:
            continue
        into.dropped[position] = True
        for name, value in row.items():
            if kept[name] is None and value is not None:
                filled.setdefault(name, value)
    if filled:
        into.filled[survivor] = filled
        into.merged[survivor] = tuple(at for at, _, _ in group if at != survivor)


def contradicted(forms: Iterable[dict[str, Any]], fields: Sequence[str]) -> tuple[str, ...]:
    """The fields that two rows both state, and state differently."""
    rows = list(forms)
    return tuple(
        name for name in fields if len({row[name] for row in rows if row[name] is not None}) > 1
    )


def _listed(fields: Sequence[str]) -> str:
    return fields[0] if len(fields) == 1 else f"{', '.join(fields[:-1])} and {fields[-1]}"


def _halves(digests: Iterable[bytes]) -> Digests:
    return np.frombuffer(b"".join(digests), dtype=np.uint64).reshape(-1, 2)


def _grouped(digests: Digests) -> tuple[Positions, Positions]:
    """An order that brings equal digests together (ascending within), and where each begins."""
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ordered = digests[order]
    starts = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
    return order, starts


def _sizes(starts: Positions, order: Positions) -> Positions:
    return np.diff(np.append(starts, len(order)))


def _digest_rows(columns: list[pa.Array]) -> Iterator[bytes]:
    """16 bytes a row: BLAKE2b over the lengths of its cells (-1 for null), then the cells.

    So `a,b` in one cell is not `a` and `b` in two, and null is not an empty text.
    """
    texts = [
        column if pa.types.is_string(column.type) else column.cast(pa.string())
        for column in columns
    ]
    lengths = [np.asarray(pc.binary_length(text).fill_null(-1)) for text in texts]
    heads = np.stack(lengths, axis=1, dtype=np.int32)
    size = heads.strides[0]
    every_head = heads.tobytes()
    joined = pc.binary_join_element_wise(*texts, "", null_handling="replace", null_replacement="")
    for at, row in enumerate(joined.cast(pa.binary()).to_pylist()):
        yield blake2b(every_head[at * size : (at + 1) * size] + row, digest_size=16).digest()


def _matched(
    batch: pa.RecordBatch, fields: Sequence[str], comparison: Comparison
) -> dict[str, pa.Array]:
    return {name: comparison.column(batch, name) for name in fields}


def _chosen(batches: Batches, wanted: Positions) -> Iterator[tuple[Positions, pa.RecordBatch]]:
    """The wanted rows, batch by batch, with their positions."""
    start = 0
    for batch in batches():
        low, high = np.searchsorted(wanted, (start, start + batch.num_rows))
        if low < high:
            yield wanted[low:high], batch.take(pa.array(wanted[low:high] - start))
        start += batch.num_rows


class _Picked:
    """Some rows as Arrow keeps them, and in their matching form; a few at a time as Python's own.

    A row as a dict takes ten times the memory, and of a large file there may be many.
    """

    def __init__(
        self, batches: Batches, wanted: Positions, fields: Sequence[str], comparison: Comparison
    ) -> None:
        self._wanted = wanted
        rows, forms = [], []
        for _, chosen in _chosen(batches, wanted):
            rows.append(chosen.select(list(fields)))
            matched = _matched(chosen, fields, comparison)
            forms.append(pa.RecordBatch.from_arrays(list(matched.values()), list(matched)))
        self._rows = pa.Table.from_batches(rows)
        self._forms = pa.Table.from_batches(forms)

    def at(self, positions: Positions) -> dict[int, tuple[dict[str, Any], dict[str, Any]]]:
        """Row and matching form by position."""
        places = pa.array(np.searchsorted(self._wanted, positions))
        rows, forms = (table.take(places).to_pylist() for table in (self._rows, self._forms))
        return dict(zip(positions.tolist(), zip(rows, forms, strict=True), strict=True))

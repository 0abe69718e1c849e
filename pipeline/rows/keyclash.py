"""Rows that are out for another fault still say whose number they bear.

Of two persons under one number one may be rejected already, for an impossible date say. The other
must not be believed for that. So what such a row says without fault, its key above all, is compared
with the good rows; its faulty fields count as not stated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.rows.dedupe import (
    Batches,
    Deduplicator,
    KeyReject,
    KeyRules,
    conflict_of,
    contradicted,
)
from pipeline.rows.keyfilter import Positions
from pipeline.rows.rowhash import hash_rows
from pipeline.sheet import Sheet

Key = tuple[Any, ...]
Form = dict[str, Any]


def stated(
    rows: pa.RecordBatch, sheet: Sheet, out: npt.NDArray[np.bool_], rules: KeyRules
) -> pa.RecordBatch | None:
    """The rows of a sheet that are `out` but state their key; faulty fields are null in them.

    rows: all rows of the sheet as they would be delivered. None when the table settles no keys.
    """
    judged = rules.judged
    if not rules.key or not judged:
        return None
    whole = out & ~sheet.has_error(frozenset(rules.key))
    for name in rules.key:
        whole &= np.asarray(rows.column(name).is_valid())
    chosen = rows.filter(pa.array(whole))
    for name in judged:
        faulty = sheet.has_error(frozenset({name}))[whole]
        if faulty.any():
            at = chosen.schema.get_field_index(name)
            column = chosen.column(at)
            cleared = pc.if_else(pa.array(faulty), pa.scalar(None, column.type), column)
            chosen = chosen.set_column(at, chosen.schema.field(at), cleared)
    return chosen


def find_clashes(
    good: Batches, refused: Batches, rules: KeyRules, keys: Deduplicator
) -> tuple[dict[int, KeyReject], dict[int, KeyReject]]:
    """Keys under which good rows and refused ones state different things.

    keys: has seen the good rows.
    Returns the good rows by position and the refused ones by position, each with its reason.
    """
    if not rules.key:
        return {}, {}
    theirs = _hashes(refused, rules)
    shared = keys.known_keys(theirs) if len(theirs) else theirs
    if not len(shared):
        return {}, {}
    said = _by_key(refused, rules, shared)
    known = _by_key(good, rules, shared)
    kept: dict[int, KeyReject] = {}
    out: dict[int, KeyReject] = {}
    for key, members in known.items():
        others = said.get(key, [])
        if not others:
            continue
        differing = contradicted([form for _, form in (*members, *others)], rules.judged)
        if differing:
            why = conflict_of(len(members) + len(others), rules, differing)
            kept.update((position, why) for position, _ in members)
            out.update((position, why) for position, _ in others)
    return kept, out


def _hashes(batches: Batches, rules: KeyRules) -> npt.NDArray[np.uint64]:
    found = [_key_hashes(batch, rules) for batch in batches()]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.uint64)


def _key_hashes(batch: pa.RecordBatch, rules: KeyRules) -> npt.NDArray[np.uint64]:
    comparison = rules.comparison.exactly(rules.key)
    return hash_rows([comparison.column(batch, name) for name in rules.key], batch.num_rows)


def _by_key(
    batches: Batches, rules: KeyRules, wanted: npt.NDArray[np.uint64]
) -> dict[Key, list[tuple[int, Form]]]:
    """Position and matching form of the rows whose key's hash is wanted, by key."""
    found: dict[Key, list[tuple[int, Form]]] = {}
    for places, batch in _picked(batches, rules, wanted):
        comparison = rules.comparison.exactly(rules.key)
        names = dict.fromkeys((*rules.key, *rules.judged))
        columns = {name: comparison.column(batch, name).to_pylist() for name in names}
        for at, place in enumerate(places.tolist()):
            key = tuple(columns[name][at] for name in rules.key)
            form = {name: columns[name][at] for name in rules.judged}
            found.setdefault(key, []).append((place, form))
    return found


def _picked(
    batches: Batches, rules: KeyRules, wanted: npt.NDArray[np.uint64]
) -> Iterator[tuple[Positions, pa.RecordBatch]]:
    start = 0
    for batch in batches():
        places = np.flatnonzero(np.isin(_key_hashes(batch, rules), wanted)).astype(np.int64)
        if len(places):
            yield places + start, batch.take(pa.array(places))
        start += batch.num_rows

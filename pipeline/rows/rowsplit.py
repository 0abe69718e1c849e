"""One record, several rows: blood pressure 120/80 becomes a systolic and a diastolic row.

Splitting happens on cleaned text, before any conversion, so the new rows are read, checked and
explained like every other. `origin` leads from each row back to its record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.loading import Contract, RowSplit
from pipeline.kinds import codeset_of
from pipeline.standardize.base import Rows
from pipeline.standardize.codes import CodeSet
from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.text import fold

Lookup = Callable[[str], str | None]
"""The code of a cleaned text, None when it is none or more than one."""

_NUMBER_WITH_UNIT = re.compile(r"[\d.,\s]*\d\s*(?P<unit>[^\d\s.,].*)")
_BARE_NUMBER = re.compile(r"\s*[\d.,]+\s*")


@dataclass(slots=True)
class SplitRows:
    """Columns after splitting.

    origin: for each row the position of its record in the batch, ascending.
    misfit: records that should split but do not have as many values as the contract names.
    split: how many records became several rows.
    """

    columns: dict[str, pa.StringArray]
    origin: Rows
    misfit: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    split: int = 0

    def rows_of(self, records: Rows) -> Rows:
        """The rows that were made of some of the batch's records."""
        return np.flatnonzero(np.isin(self.origin, records)) if self.split else records

    def rows_split(self) -> Rows:
        """The rows whose record became several."""
        if not self.split:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(np.bincount(self.origin)[self.origin] > 1)


def split_rows(
    columns: Mapping[str, pa.StringArray],
    rules: Sequence[RowSplit],
    lookups: Mapping[str, Lookup],
    count: int,
) -> SplitRows:
    """Apply the contract's row splits to one batch of `count` records.

    `columns` are cleaned texts by field; `lookups` give the code of the fields in `when`.
    """
    result = SplitRows(dict(columns), np.arange(count, dtype=np.int64))
    for rule in rules:
        if rule.field in columns and all(name in columns for name in rule.when):
            _apply(rule, result, lookups)
    return result


def lookups_of(contract: Contract) -> dict[str, Lookup]:
    """Code of a cell, for the fields that decide about the row splits of a contract."""
    names = {name for rule in contract.split_rows for name in rule.when}
    return {
        name: _lookup(codeset_of(contract.field(name), contract))
        for name in names
        if contract.field(name).codes is not None or contract.field(name).categories is not None
    }


def _lookup(codeset: CodeSet) -> Lookup:
    return lambda text: codeset.lookup(fold(text))


def parts_of(text: str, separator: str) -> list[str]:
    """Values of one cell; a unit behind the last one belongs to all of them."""
    parts = [part.strip() for part in text.split(separator)]
    with_unit = _NUMBER_WITH_UNIT.fullmatch(parts[-1])
    if with_unit and all(_BARE_NUMBER.fullmatch(part) for part in parts[:-1]):
        parts[:-1] = [f"{part} {with_unit['unit']}" for part in parts[:-1]]
    return parts


def _apply(rule: RowSplit, result: SplitRows, lookups: Mapping[str, Lookup]) -> None:
    cells = result.columns[rule.field]
    chosen = np.asarray(cells.is_valid())
    for name, code in rule.when.items():
        chosen &= _has_code(result.columns[name], lookups[name], code)
    if not chosen.any():
        return
    readings = read_distinct(cells, lambda text: parts_of(text, rule.separator))
    fits = np.zeros(len(cells), dtype=bool)
    fits[readings.rows(lambda parts: len(parts) == len(rule.into))] = True
    result.misfit = np.union1d(result.misfit, result.origin[chosen & ~fits])
    split = chosen & fits
    copies = np.where(split, len(rule.into), 1)
    taken = np.repeat(np.arange(len(cells), dtype=np.int64), copies)
    which = _place_in_record(copies)
    is_part = split[taken]
    new = {name: column.take(pa.array(taken)) for name, column in result.columns.items()}
    values = [readings.answers[slot] for slot in readings.slots[taken[is_part]]]
    parts = [
        value[part] or None for value, part in zip(values, which[is_part].tolist(), strict=True)
    ]
    new[rule.field] = _replaced(new[rule.field], is_part, parts)
    for name in {name for part in rule.into for name in part}:
        if name in new:
            codes = [rule.into[part].get(name) for part in which[is_part].tolist()]
            new[name] = _replaced(new[name], is_part, codes)
    result.columns = new
    result.origin = result.origin[taken]
    result.split += int(split.sum())


def _has_code(column: pa.StringArray, lookup: Lookup, code: str) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(column), dtype=bool)
    found[read_distinct(column, lookup).rows(lambda answer: answer == code)] = True
    return found


def _place_in_record(copies: npt.NDArray[np.int64]) -> Rows:
    """0 for the first row of each record, 1 for its second ..."""
    ends = np.cumsum(copies)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - copies, copies)


def _replaced(
    column: pa.StringArray, where: npt.NDArray[np.bool_], texts: Sequence[str | None]
) -> pa.StringArray:
    return pc.replace_with_mask(column, pa.array(where), pa.array(texts, pa.string()))

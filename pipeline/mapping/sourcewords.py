"""What a confirmed mapping says about the cells of one column, and the cells read by it.

Both passes over a file read cells here and nowhere else, so what was inspected is what is
converted. Without a mapping a cell is its cleaned text, null where the contract calls it missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.formats.base import KnownCells, TextBatch
from pipeline.mapping.dateformats import orders_of
from pipeline.mapping.model import MappedField
from pipeline.mapping.rules import FRACTION
from pipeline.standardize.base import Rows
from pipeline.standardize.datedecision import DateHint
from pipeline.standardize.distinct import is_true, put, read_distinct
from pipeline.standardize.numbers import NumberHint
from pipeline.standardize.text import clean, fold, nullify
from pipeline.standardize.textdamage import DAMAGE_HINT, is_damaged, repaired
from pipeline.standardize.units import Scales, normalize_unit
from pipeline.standardize.wholetexts import FEW


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWords:
    """A mapping's words about the cells of a column, as plain data; see `MappedField`."""

    missing_values: tuple[str, ...] | None = None
    true_values: tuple[str, ...] | None = None
    false_values: tuple[str, ...] | None = None
    values: dict[str, str] = field(default_factory=dict)
    reject_values: tuple[str, ...] = ()
    unit: str | None = None
    units: dict[str, str] = field(default_factory=dict)
    repair: bool = False
    accept: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    timezone: str | None = None
    zones: dict[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    serials: Literal["1900", "1904"] | None = None
    decimal_char: Literal[".", ","] | None = None
    group_char: str | None = None

    @classmethod
    def of(cls, mapped: MappedField, *, repair: bool) -> SourceWords:
        """The words of one column of a mapping."""
        return cls(
            missing_values=mapped.missing_values,
            true_values=mapped.true_values,
            false_values=mapped.false_values,
            values=dict(mapped.values),
            reject_values=mapped.reject_values,
            unit=mapped.unit,
            units=dict(mapped.units),
            repair=repair,
            accept=mapped.accept,
            formats=mapped.format,
            timezone=mapped.timezone,
            zones=dict(mapped.zones),
            languages=mapped.languages,
            serials=mapped.serials,
            decimal_char=mapped.decimal_char,
            group_char=mapped.group_char,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`, without what says nothing."""
        if self == NO_WORDS:
            return {}
        silent = asdict(NO_WORDS)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value != silent[name]
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> SourceWords:
        """Inverse of `to_dict`."""
        if not document:
            return NO_WORDS
        words: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document.items()
        }
        return cls(**words)

    def date_hint(self) -> DateHint:
        """What was confirmed about dates."""
        return DateHint(
            orders=orders_of(self.formats),
            languages=self.languages,
            zones=self.zones,
            serials=self.serials,
            bare="start"
            if "start-of-day" in self.accept
            else ("reject" if "no-time" in self.accept else None),
        )

    def number_hint(self) -> NumberHint | None:
        """What was confirmed about numbers, None for nothing."""
        if self.decimal_char is None:
            return None
        return NumberHint(decimal=self.decimal_char, group=self.group_char)

    def scales(self) -> Scales:
        """Code -> how its percentages are written, where that was confirmed."""
        return {
            code: "fraction" if unit == FRACTION else "percent"
            for code, unit in self.units.items()
            if unit in (FRACTION, "%")
        }

    def told_units(self, analyte: pa.StringArray) -> pa.StringArray | None:
        """Unit of every row that names none, by the row's code; None when nothing is told."""
        if not self.units and self.unit is None:
            return None
        units = {code: unit for code, unit in self.units.items() if unit != FRACTION}
        default = self.unit
        found = read_distinct(analyte, lambda code: units.get(code, default))
        told = found.spread(lambda unit: unit, pa.string())
        return told if default is None else told.fill_null(default)


NO_WORDS = SourceWords()


def cells_in(
    batch: TextBatch, position: int, words: SourceWords, missing_values: tuple[str, ...]
) -> KnownCells:
    """As `read_cells`, of a column of a batch; what was read so before is not read again."""
    how = (words, missing_values)
    known = batch.known.get(position)
    if known is not None and known.how == how:
        return known
    return KnownCells(how, *read_cells(batch.columns[position], words, missing_values))


def read_cells(
    raw: pa.StringArray, words: SourceWords, missing_values: tuple[str, ...]
) -> tuple[pa.StringArray, dict[str, Rows]]:
    """Cleaned cells, null where missing, and the rows that were changed, by reason.

    missing_values: the contract's, for columns about which the mapping says nothing.
    """
    missing = missing_values if words.missing_values is None else words.missing_values
    repairs: Rows = np.empty(0, dtype=np.int64)
    if words.repair:
        raw, repairs = _repair(raw)
    cells, changed = clean(raw)
    if len(repairs):
        changed = {**changed, "text-repaired": repairs}
    if words.values:
        cells, mapped = _translate(cells, words.values)
        changed = {**changed, "value-mapped": mapped}
    nulled = nullify(cells, missing)
    if nulled.null_count > cells.null_count:
        changed = {**changed, "missing-word": _rows_of_words(cells, nulled)}
    return nulled, changed


def _rows_of_words(cells: pa.StringArray, nulled: pa.StringArray) -> Rows:
    """Rows whose cell says something and is missing all the same."""
    if len(cells) <= FEW:
        both = zip(cells.to_pylist(), nulled.to_pylist(), strict=True)
        said = [row for row, (cell, left) in enumerate(both) if cell and left is None]
        return np.array(said, dtype=np.int64)
    return np.flatnonzero(is_true(pc.not_equal(cells, "")) & ~is_true(nulled.is_valid()))


def _repair(raw: pa.StringArray) -> tuple[pa.StringArray, Rows]:
    """Undo a wrong decoding where the text shows it; what cannot be undone stays."""
    hinted = np.flatnonzero(is_true(pc.match_substring_regex(raw, DAMAGE_HINT)))
    if not len(hinted):
        return raw, hinted
    answers = read_distinct(
        raw.take(pa.array(hinted)), lambda text: repaired(text) if is_damaged(text) else None
    )
    places = answers.rows(lambda text: text is not None)
    rows = hinted[places]
    told = answers.spread(lambda text: text, pa.string()).take(pa.array(places))
    return put(raw, rows, told), rows


def _translate(cells: pa.StringArray, values: Mapping[str, str]) -> tuple[pa.StringArray, Rows]:
    """Put the canonical value for every source value; a whole cell, letter by letter first."""
    folded = {fold(source): value for source, value in values.items() if fold(source)}
    exact = {clean(pa.array([source]))[0][0].as_py(): value for source, value in values.items()}
    is_folding = not any(normalize_unit(value) for value in values.values())

    def meaning(text: str) -> str | None:
        if text in exact:
            return exact[text]
        return folded.get(fold(text)) if is_folding else None

    answers = read_distinct(cells, meaning)
    rows = answers.rows(lambda value: value is not None)
    if not len(rows):
        return cells, rows
    told = answers.spread(lambda value: value, pa.string()).take(pa.array(rows))
    changed = rows[is_true(pc.not_equal(cells.take(pa.array(rows)), told))]
    return put(cells, rows, told), changed

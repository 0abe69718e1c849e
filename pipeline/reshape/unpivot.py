"""Wide to long: a column for each code becomes a row for each of its values.

A heading is a code when it is one by its whole name (value, label or alias), or such a name with a
unit behind it: `Weight (kg)`, `temp_f`. The unit goes with the values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from pipeline.contract.model import Contract, Unpivot
from pipeline.contract.names import squeezed
from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import TableReader, TextBatch
from pipeline.mapping.by_name import map_columns
from pipeline.reshape.reshaped import ReshapedReader
from pipeline.same import Same
from pipeline.standardize.text import clean, nullify
from pipeline.standardize.units import normalize_unit

NO_VALUES = "no-values"
"""Why a wide record is skipped: every cell that could become a row is empty."""

_BRACKETED = re.compile(r"(?P<name>.+?)\s*(?:\((?P<round>[^()]+)\)|\[(?P<square>[^\[\]]+)\])\s*")
_DEGREES = {"f": "F", "c": "C"}  # headings are written small; neither letter alone is a unit
_LAST_WORD = re.compile(r"(?P<name>.+)[\s_](?P<unit>[^\s_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WideColumn:
    """A column that holds the values of one code. unit: as its heading names it."""

    position: int
    label: str
    code: str
    unit: str | None


def wide_columns(
    header: Sequence[str], contract: Contract, rule: Unpivot
) -> tuple[WideColumn, ...]:
    """The columns of a wide file, none when the file is not one.

    A file whose own columns claim the field of the codes or of the values is long already.
    """
    return _wide_columns(tuple(header), Same(contract), Same(rule))


@lru_cache(maxsize=1_024)
def _wide_columns(
    header: tuple[str, ...], of: Same[Contract], by: Same[Unpivot]
) -> tuple[WideColumn, ...]:
    contract, rule = of.thing, by.thing
    if {rule.codes, rule.values} & map_columns(header, contract).fields:
        return ()
    codes = _code_names(contract, rule.codes)
    others = {name for field in contract.fields for name in map(squeezed, field.headings)}
    found = []
    for position, label in enumerate(header):
        if squeezed(label) in others:
            continue
        named = _named(label, codes)
        if named is not None:
            found.append(WideColumn(position=position, label=label, code=named[0], unit=named[1]))
    return tuple(found)


def _code_names(contract: Contract, name: str) -> dict[str, str]:
    """Every name of every code, squeezed, and the code it stands for."""
    field = contract.field(name)
    if field.categories is not None:
        named = {category.value: category.aliases for category in field.categories}
    else:
        entries = {} if field.codes is None else contract.codesets[field.codes.set]
        named = {code: entry.aliases for code, entry in entries.items()}
    return {squeezed(word): code for code, aliases in named.items() for word in (code, *aliases)}


def _named(label: str, codes: Mapping[str, str]) -> tuple[str, str | None] | None:
    """The code a heading names, and the unit it names besides."""
    whole = codes.get(squeezed(label))
    if whole is not None:
        return whole, None
    for pattern in (_BRACKETED, _LAST_WORD):
        parts = pattern.fullmatch(label.strip())
        if parts is None:
            continue
        words = parts.groupdict()
        unit = (words.get("round") or words.get("square") or words.get("unit") or "").strip()
        code = codes.get(squeezed(words["name"]))
        unit = _DEGREES.get(unit, unit)
        if code is not None and normalize_unit(unit) is not None:
            return code, unit
    return None


def unpivoted(reader: TableReader, contract: Contract, rule: Unpivot) -> ReshapedReader | None:
    """The long table of a wide file; None when its headings are not those of one.

    Raises:
        ContentError: COLUMN_CONFLICT when two columns are named like one code.
    """
    columns = wide_columns(reader.header, contract, rule)
    if not columns:
        return None
    _refuse_two_for_one(columns, rule.codes)
    values = contract.field(rule.values)
    unit_field = values.unit.from_ if values.unit is not None else None
    added = [rule.codes, rule.values]
    if unit_field is not None and any(column.unit for column in columns):
        added.append(unit_field)
    missing = contract.missing_values_of(values)
    return ReshapedReader(
        reader,
        added=added,
        consumed=frozenset(column.position for column in columns),
        about={
            "how": "unpivot",
            "codes": rule.codes,
            "values": rule.values,
            "columns": {column.label: column.code for column in columns},
            "units": {column.label: column.unit for column in columns if column.unit},
        },
        turn=lambda batch: _to_long(batch, columns, missing, with_units=len(added) > 2),
    )


def _refuse_two_for_one(columns: Sequence[WideColumn], codes: str) -> None:
    seen: dict[str, WideColumn] = {}
    for column in columns:
        first = seen.setdefault(column.code, column)
        if first is not column:
            raise ContentError(
                FileCode.COLUMN_CONFLICT,
                f"columns {first.position + 1} and {column.position + 1} are both named like "
                f"{column.code}, a code of {codes}",
            )


def _to_long(
    batch: TextBatch,
    columns: Sequence[WideColumn],
    missing: tuple[str, ...],
    *,
    with_units: bool,
) -> TextBatch:
    """One row for each cell that is not empty: by record, then in the order of the columns."""
    count = len(batch.records)
    cells = [batch.columns[column.position] for column in columns]
    stated = np.array(
        [np.asarray(nullify(clean(cell)[0], missing).is_valid()) for cell in cells], dtype=bool
    ).T.reshape(count, len(cells))
    origin, which = np.nonzero(stated)
    taken, chosen = pa.array(origin), pa.array(which)
    added = [
        pa.array([column.code for column in columns], pa.string()).take(chosen),
        pa.concat_arrays(cells).take(pa.array(which * count + origin)),
    ]
    if with_units:
        added.append(pa.array([column.unit or "" for column in columns]).take(chosen))
    silent = count - int(stated.any(axis=1).sum())
    return TextBatch(
        columns=[*(column.take(taken) for column in batch.columns), *added],
        records=batch.records[origin],
        lines=batch.lines[origin],
        raw=lambda at: batch.raw(int(origin[at])),
        bad=batch.bad,
        skipped={**batch.skipped, NO_VALUES: silent} if silent else batch.skipped,
        place=batch.place,
        faults=batch.faults,
    )

"""Converts the columns of a sheet as the plan decided, and hands parts of cells to their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.loading import Contract, Field
from pipeline.errors import ROW_CODES, RowCode
from pipeline.kinds import Converter, codeset_of, convert_unit_spellings, converter_of
from pipeline.mapping.sourcewords import NO_WORDS, SourceWords
from pipeline.measures import Measure, measures_of
from pipeline.plan import ColumnPlan, Plan
from pipeline.same import remembered
from pipeline.sheet import Sheet
from pipeline.standardize.base import Converted, Rows
from pipeline.standardize.codes import CodeSet, nearest
from pipeline.standardize.distinct import is_true, put, read_distinct
from pipeline.standardize.units import convert_units, normalize_unit
from pipeline.standardize.us_states import us_states

_LARGEST_INT64 = 9_223_372_036_854_775_807


class _Ready(NamedTuple):
    """What is made of a plan's columns before any cell, by field."""

    converters: dict[str, Converter]
    codesets: dict[str, CodeSet]
    words: dict[str, SourceWords]


@remembered(256)
def _ready(contract: Contract, columns: tuple[ColumnPlan, ...]) -> _Ready:
    """The same for every file with the same plan."""
    return _Ready(
        converters={
            column.field: converter_of(contract.field(column.field), contract, column.decision)
            for column in columns
            if column.kind != "ucum-unit"
        },
        codesets={
            column.field: _names_of(column.kind, contract.field(column.field), contract)
            for column in columns
            if column.kind in ("code", "category", "us-state")
        },
        words={column.field: SourceWords.from_dict(column.words) for column in columns},
    )


class ColumnConverter:
    """Turns the cells of a sheet into values, column by column and then between columns."""

    def __init__(self, contract: Contract, plan: Plan) -> None:
        self._contract = contract
        self._plan = plan
        self._measures = measures_of(contract)
        self._governed = {one.unit_field for one in self._measures}
        ready = _ready(contract, plan.columns)
        self._converters, self._codesets, self.words = ready

    def convert(self, sheet: Sheet) -> None:
        """Fill `sheet.values`; what cannot be read is noted as an error."""
        parts: dict[str, Converted] = {}
        for name, convert in self._converters.items():
            known = sheet.known.get(name)
            parts[name] = converted = convert(sheet.cells[name]) if known is None else known
            self._take_in(name, converted, sheet)
            sheet.change(name, converted.changed)
        units = self._written_units(sheet, parts)
        for name, converted in parts.items():
            self._hand_out(self._contract.field(name), converted, sheet)
        self._respell_units(units, sheet)
        self._convert_units(units, parts, sheet)

    def _take_in(self, name: str, converted: Converted, sheet: Sheet) -> None:
        described = self._contract.field(name)
        sheet.values[name] = converted.values
        if "number" in converted.extra:
            sheet.numbers[name] = converted.extra["number"]
        if "offset_minutes" in converted.extra:
            sheet.offsets[name] = converted.extra["offset_minutes"]
        for code, rows in converted.bad.items():
            if code is RowCode.CODE_UNKNOWN:
                self._refuse_unknown(name, rows, sheet)
            else:
                sheet.refuse(rows, name, code)
        for code, rows in converted.marked.items():
            sheet.mark(rows, name, code)
        if described.type == "integer":
            _refuse_huge(described, sheet)

    def _refuse_unknown(self, name: str, rows: Rows, sheet: Sheet) -> None:
        """Unknown codes come with the nearest known ones; the contract's words, not the cell's."""
        codeset = self._codesets[name]

        def sentence(text: str) -> str:
            close = nearest(codeset, text)
            hint = f" Nearest known: {', '.join(close)}." if close else ""
            return ROW_CODES[RowCode.CODE_UNKNOWN] + hint

        cells = sheet.cells[name].take(pa.array(rows))
        for words, places in read_distinct(cells, sentence).group(lambda answer: answer).items():
            sheet.refuse(rows[places], name, RowCode.CODE_UNKNOWN, words)

    def _written_units(
        self, sheet: Sheet, parts: Mapping[str, Converted]
    ) -> dict[str, pa.StringArray]:
        """Unit of every row as written, by unit field: its own column, or behind the number."""
        units = {
            column.field: sheet.cells[column.field]
            for column in self._plan.columns
            if column.kind == "ucum-unit"
        }
        for name, converted in parts.items():
            written = converted.extra.get("unit")
            if written is None:
                continue
            target = _unit_target(self._contract.field(name))
            if target is None or name in _ranges(self._contract):
                continue
            own = units.get(target)
            units[target] = written if own is None else self._one_unit(target, own, written, sheet)
        return units

    def _one_unit(
        self, target: str, own: pa.StringArray, written: pa.StringArray, sheet: Sheet
    ) -> pa.StringArray:
        left, right = (convert_unit_spellings(units).values for units in (own, written))
        differ = np.flatnonzero(is_true(pc.not_equal(left, right)))
        sheet.refuse(
            differ,
            target,
            RowCode.TYPE_ERROR,
            "The value names one unit and the unit's own column another.",
        )
        return pc.coalesce(own, written)

    def _hand_out(self, described: Field, converted: Converted, sheet: Sheet) -> None:
        """Give the parts of a cell to the fields the contract names for them."""
        if described.split is None:
            return
        for part, target in described.split.targets().items():
            if part in ("unit", "raw"):
                continue
            received = converted.extra.get(part)
            if received is None:
                continue
            if f"{part}.number" in converted.extra:
                numbers = converted.extra[f"{part}.number"]
                known = sheet.numbers.get(target)
                sheet.numbers[target] = numbers if known is None else pc.coalesce(known, numbers)
            sheet.receive(self._contract.field(target), received)

    def _respell_units(self, units: Mapping[str, pa.StringArray], sheet: Sheet) -> None:
        """Write units that no number is converted by in UCUM."""
        for name, written in units.items():
            if name in self._governed:
                continue
            converted = convert_unit_spellings(written)
            sheet.values[name] = converted.values
            sheet.change(name, converted.changed)
            for code, rows in converted.marked.items():
                sheet.mark(rows, name, code)

    def _convert_units(
        self,
        units: Mapping[str, pa.StringArray],
        parts: Mapping[str, Converted],
        sheet: Sheet,
    ) -> None:
        for one in self._measures:
            if one.field not in sheet.values:
                if one.is_main and one.unit_field in units:
                    sheet.values[one.unit_field] = convert_unit_spellings(
                        units[one.unit_field]
                    ).values
                continue
            written = units.get(one.unit_field, pa.nulls(sheet.count, pa.string()))
            written = self._told_units(one, written, sheet)
            source = parts.get(one.source)
            if one.part is not None and source is not None and "unit" in source.extra:
                written = pc.coalesce(source.extra["unit"], written)
            self._convert_measure(one, written, sheet)

    def _told_units(self, one: Measure, written: pa.StringArray, sheet: Sheet) -> pa.StringArray:
        """Units a mapping told, for the values that name none."""
        words = self.words.get(one.source, NO_WORDS)
        told = words.told_units(one.analytes(sheet.values, sheet.count))
        if told is None:
            return written
        measured = sheet.values[one.field].is_valid()
        bare = pc.and_(measured, written.is_null())
        rows = np.flatnonzero(is_true(pc.and_(bare, told.is_valid())))
        if one.is_main:
            sheet.change(one.unit_field, {"unit-told": rows})
        return pc.if_else(bare, told, written)

    def _convert_measure(self, one: Measure, written: pa.StringArray, sheet: Sheet) -> None:
        column = self._plan.column_of(one.source)
        converted = convert_units(
            sheet.values[one.field],
            sheet.numbers[one.field],
            written,
            one.analytes(sheet.values, sheet.count),
            one.specs,
            scales=column.scales.get(one.field) if column else None,
        )
        measured = is_true(sheet.values[one.field].is_valid())
        sheet.values[one.field] = converted.values
        sheet.numbers[one.field] = converted.extra["number"]
        for reason, rows in converted.changed.items():
            if reason != "unit-respelled":
                sheet.change(one.field, {reason: rows})
            elif one.is_main:
                sheet.change(one.unit_field, {reason: rows})
        for code, rows in converted.bad.items():
            if one.part is None:
                for sentence, some in _about_units(code, rows, written, one, sheet):
                    sheet.refuse(some, one.field, code, sentence)
            else:  # the range itself is delivered as written, so only its ends are missing
                sheet.mark(rows, one.field, code)
        for code, rows in converted.marked.items():
            sheet.mark(rows, one.unit_field, code)
        self._deliver_unit(one, converted.extra["unit"], measured, sheet)

    def _deliver_unit(
        self, one: Measure, unit: pa.StringArray, measured: npt.NDArray[np.bool_], sheet: Sheet
    ) -> None:
        """The row's unit is that of its result; where there is none, that of the range's ends."""
        known = sheet.values.get(one.unit_field)
        if one.is_main or known is None:
            sheet.values[one.unit_field] = unit
            return
        result = next(
            main.field
            for main in self._measures
            if main.is_main and main.unit_field == one.unit_field
        )
        no_result = ~is_true(sheet.column(self._contract.field(result)).is_valid())
        rows = np.flatnonzero(measured & no_result & is_true(unit.is_valid()))
        sheet.values[one.unit_field] = put(known, rows, unit.take(pa.array(rows)))


def _about_units(
    code: RowCode, rows: Rows, written: pa.StringArray, one: Measure, sheet: Sheet
) -> Iterator[tuple[str, Rows]]:
    """Why values cannot be converted, in the contract's and UCUM's words; with their rows."""
    codes = one.analytes(sheet.values, sheet.count).take(pa.array(rows)).to_pylist()
    units = written.take(pa.array(rows)).to_pylist()
    found: dict[str, list[int]] = {}
    for row, code_name, unit in zip(rows.tolist(), codes, units, strict=True):
        spec = one.specs.get(code_name or "")
        of = f" of {code_name}" if code_name else ""
        known = None if unit is None else normalize_unit(unit)
        sentence = ROW_CODES[code]
        if spec is not None and code is RowCode.UNIT_MISSING:
            sentence = f"The value{of} has no unit and needs one, such as {spec.target}."
        elif spec is not None and known and code is RowCode.UNIT_NOT_CONVERTIBLE:
            sentence = f"No way from {known} to {spec.target} is known for values{of}."
        found.setdefault(sentence, []).append(row)
    for sentence, places in found.items():
        yield sentence, np.array(places, dtype=np.int64)


def _names_of(kind: str, described: Field, contract: Contract) -> CodeSet:
    return us_states() if kind == "us-state" else codeset_of(described, contract)


def _unit_target(described: Field) -> str | None:
    if described.split is not None and described.split.unit is not None:
        return described.split.unit
    return described.unit.from_ if described.unit is not None else None


def _ranges(contract: Contract) -> frozenset[str]:
    return frozenset(one.name for one in contract.fields if one.semantic == "range")


def _refuse_huge(described: Field, sheet: Sheet) -> None:
    """Whole numbers beyond 64 bits fit no table; an identifier belongs in a string field."""
    texts = read_distinct(
        sheet.values[described.name], lambda text: abs(int(text)) > _LARGEST_INT64
    )
    sheet.refuse(
        texts.rows(bool),
        described.name,
        RowCode.TYPE_ERROR,
        "The whole number is larger than 64 bits hold.",
    )

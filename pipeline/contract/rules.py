"""Rules of a contract that no single value can show: what is named exists, what is compared fits.

Everything found is added to the located document's problems, each with its line.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.model import CodeEntry, Contract, Field
from pipeline.contract.names import check_names
from pipeline.contract.yaml_file import LocatedDocument, Position
from pipeline.formula.language import Column, FormulaError, Kind, parse_check
from pipeline.formula.terms import nearest
from pipeline.standardize.formula import Formula
from pipeline.standardize.units import normalize_unit

KINDS: dict[str, Kind] = {
    "string": Kind.TEXT,
    "integer": Kind.NUMBER,
    "number": Kind.NUMBER,
    "boolean": Kind.YES_NO,
    "date": Kind.DATE,
    "datetime": Kind.TIME,
}
"""Field type -> what it is in a formula."""

_SPLIT_TYPES = {"low": "number", "high": "number"} | dict.fromkeys(
    ("comparator", "text", "unit", "rest", "raw"), "string"
)


def formula_columns(contract: Contract) -> dict[str, Column]:
    """What formulas may know of each field: its kind, and its codes when it can have no others."""
    return {
        field.name: Column(KINDS[field.type], _known_values(contract, field))
        for field in contract.fields
    }


def _known_values(contract: Contract, field: Field) -> frozenset[str] | None:
    if field.type != "string":
        return None
    if field.categories is not None:
        return frozenset(category.value for category in field.categories)
    if field.codes is not None and field.codes.unknown != "keep":
        return frozenset(contract.codesets.get(field.codes.set, {}))
    if field.constraints.enum is not None:
        return frozenset(str(value) for value in field.constraints.enum)
    return None


def cross_check(contract: Contract, located: LocatedDocument) -> None:
    """Complain about everything in the contract that does not fit together."""
    check_names(contract, located)
    _check_field_names(contract, located)
    for n, field in enumerate(contract.fields):
        at: Position = ("fields", n)
        _check_bounds(field, at, located)
        _check_pattern(field, at, located)
        _check_type_words(field, at, located)
        _check_unit(contract, field, at, located)
        _check_split(contract, field, at, located)
    _check_split_targets(contract, located)
    for name, entries in contract.codesets.items():
        for code, entry in entries.items():
            _check_code(entry, ("codesets", name, code), located)
            if entry.above is not None and entry.above not in entries:
                hint = nearest(entry.above, entries)
                said = f"above names '{entry.above}', which is no code of {name}{hint}"
                located.complain(("codesets", name, code, "above"), said)
    _check_row_splits(contract, located)
    _check_reshaping(contract, located)
    _check_formulas(contract, located)


def _check_field_names(contract: Contract, located: LocatedDocument) -> None:
    """Keys, duplicates and privacy name fields that exist."""
    own: list[tuple[Position, Iterable[str]]] = [
        (("primaryKey",), contract.primary_key),
        (("duplicates", "conflict"), contract.duplicates.conflict),
        (("privacy", "restricted"), contract.privacy.restricted),
    ]
    own += [(("uniqueKeys", n), key) for n, key in enumerate(contract.unique_keys)]
    if contract.duplicates.review is not None:
        own.append((("duplicates", "review", "block"), contract.duplicates.review.block))
        own.append((("duplicates", "review", "similar"), contract.duplicates.review.similar))
    for n, key in enumerate(contract.foreign_keys):
        own.append((("foreignKeys", n, "fields"), key.fields))
        if key.reference.resource in (None, contract.name):
            own.append((("foreignKeys", n, "reference", "fields"), key.reference.fields))
        if len(key.fields) != len(key.reference.fields):
            located.complain(("foreignKeys", n), "both ends must have the same number of fields")
    for at, names in own:
        for name in names:
            _need_field(contract, name, at, located)


def _need_field(
    contract: Contract, name: str, at: Position, located: LocatedDocument
) -> Field | None:
    if name in contract.field_names:
        return contract.field(name)
    where = f"{at[-1]} names " if isinstance(at[-1], str) else ""
    hint = nearest(name, contract.field_names)
    located.complain(at, f"{where}'{name}', which is no field of this contract{hint}")
    return None


def _check_bounds(field: Field, at: Position, located: LocatedDocument) -> None:
    rules = field.constraints
    lowest = [rule for rule in (rules.minimum, rules.exclusive_minimum) if rule is not None]
    highest = [rule for rule in (rules.maximum, rules.exclusive_maximum) if rule is not None]
    pairs: list[tuple[Any, Any]] = [(low, high) for low in lowest for high in highest]
    if rules.min_length is not None and rules.max_length is not None:
        pairs.append((rules.min_length, rules.max_length))
    if any(low > high for low, high in pairs):
        located.complain((*at, "constraints"), "the smallest allowed is above the largest allowed")


def _check_pattern(field: Field, at: Position, located: LocatedDocument) -> None:
    """A pattern must mean the same to us (RE2) and to other Table Schema tools (Python's re)."""
    pattern = field.constraints.pattern
    if pattern is None:
        return
    try:
        re.compile(pattern)
        pc.match_substring_regex(pa.array([""]), rf"\A(?:{pattern})\z")
    except (re.error, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        located.complain((*at, "constraints", "pattern"), f"the pattern is not valid: {reason}")


def _check_type_words(field: Field, at: Position, located: LocatedDocument) -> None:
    """Words that mean something for one type only stand there and nowhere else."""
    only = {
        "timezone": (field.timezone is not None, ("datetime",)),
        "century": (field.century != "nearest", ("date", "datetime")),
        "semantic": (field.semantic is not None, ("string",)),
        "format": (field.format != "default", ("string",)),
        "categories": (field.categories is not None, ("string",)),
        "codes": (field.codes is not None, ("string",)),
        "unit": (field.unit is not None, ("number", "integer")),
    }
    for key, (is_set, types) in only.items():
        if is_set and field.type not in types:
            located.complain((*at, key), f"'{key}' is for fields of type {' or '.join(types)}")
    if field.region is not None and field.semantic != "phone":
        located.complain((*at, "region"), "'region' is for telephone numbers (semantic: phone)")
    if field.categories is not None and field.codes is not None:
        located.complain((*at, "codes"), "a field has categories or codes, not both")
    if field.timezone is not None and field.timezone not in zoneinfo.available_timezones():
        hint = nearest(field.timezone, zoneinfo.available_timezones())
        located.complain((*at, "timezone"), f"'{field.timezone}' is no time zone{hint}")


def _check_unit(contract: Contract, field: Field, at: Position, located: LocatedDocument) -> None:
    if field.codes is not None and field.codes.set not in contract.codesets:
        hint = nearest(field.codes.set, contract.codesets)
        located.complain((*at, "codes"), f"'{field.codes.set}' is no code set here{hint}")
    if field.unit is None:
        return
    source = _need_field(contract, field.unit.from_, (*at, "unit", "from"), located)
    if source is not None and source.type != "string":
        located.complain((*at, "unit", "from"), f"'{source.name}' must be a string: units are text")
    name, dot, word = field.unit.to.partition(".")
    if dot and word == "unit":
        used = {other.codes.set for other in contract.fields if other.codes is not None}
        if name not in contract.codesets:
            hint = nearest(name, contract.codesets)
            located.complain((*at, "unit", "to"), f"'{name}' is no code set here{hint}")
        elif name not in used:
            located.complain((*at, "unit", "to"), f"no field has its codes from '{name}'")
    else:
        _need_unit(field.unit.to, (*at, "unit", "to"), located)


def _need_unit(unit: str, at: Position, located: LocatedDocument) -> None:
    known = normalize_unit(unit)
    if known != unit:
        hint = f"; did you mean '{known}'?" if known else ""
        located.complain(at, f"'{unit}' is no UCUM unit that can be converted here{hint}")


def _check_split(contract: Contract, field: Field, at: Position, located: LocatedDocument) -> None:
    """A split is asked for only where the kind of field can be split that way."""
    if field.split is None:
        return
    parts = set(field.split.targets())
    can = {"raw"}
    if field.type in ("number", "integer"):
        can |= {"comparator", "text", "unit"}
    if field.semantic == "range":
        can |= {"low", "high", "text"}
    if field.categories is not None or field.codes is not None:
        can |= {"rest"} | {part for part in parts if part.startswith("flags.")}
    for part, target in field.split.targets().items():
        key = part.partition(".")[0]
        here = (*at, "split", key)
        if part not in can:
            located.complain(here, f"'{key}' cannot be split off a field of this kind")
        receiver = _need_field(contract, target, here, located)
        wanted = _SPLIT_TYPES.get(part, "boolean")
        if receiver is not None and receiver.type != wanted:
            located.complain(here, f"'{target}' must be of type {wanted} to receive this")


def _check_split_targets(contract: Contract, located: LocatedDocument) -> None:
    taken: dict[str, str] = {}
    for n, field in enumerate(contract.fields):
        for target in field.split.targets().values() if field.split is not None else ():
            if target == field.name or target in taken:
                other = taken.get(target, target)
                sentence = f"'{target}' already receives the values of '{other}'"
                located.complain(("fields", n, "split"), sentence)
            taken.setdefault(target, field.name)


def _check_code(entry: CodeEntry, at: Position, located: LocatedDocument) -> None:
    if entry.unit is not None:
        _need_unit(entry.unit, (*at, "unit"), located)
    for unit, text in entry.convert.items():
        try:
            Formula.parse(text)
        except ValueError as error:
            located.complain((*at, "convert", unit), str(error))
        if normalize_unit(unit) is None:
            located.complain((*at, "convert", unit), f"'{unit}' is no unit that is known here")
    for n, unit in enumerate(entry.keep):
        if normalize_unit(unit) != unit:
            located.complain((*at, "keep", n), f"'{unit}' is no UCUM unit that is known here")
    for key, ends in (("plausible", entry.plausible), ("usual", entry.usual)):
        if ends is not None and ends[0] >= ends[1]:
            located.complain((*at, key), f"the lower end of '{key}' is not below its upper end")
    inner, outer = entry.usual, entry.plausible
    if inner and outer and not outer[0] <= inner[0] < inner[1] <= outer[1]:
        located.complain((*at, "usual"), "'usual' must lie inside 'plausible'")
    if entry.kind == "panel" and (entry.unit or entry.convert or entry.plausible or entry.usual):
        located.complain((*at, "kind"), "a panel is several tests: it has no unit and no range")


def _check_row_splits(contract: Contract, located: LocatedDocument) -> None:
    columns = formula_columns(contract)
    for n, split in enumerate(contract.split_rows):
        at: Position = ("splitRows", n)
        _need_field(contract, split.field, (*at, "field"), located)
        _check_codes_named(contract, columns, split.when, (*at, "when"), located)
        if len(split.into) < 2:
            located.complain((*at, "into"), "'into' must have at least two entries")
        for m, row in enumerate(split.into):
            _check_codes_named(contract, columns, row, (*at, "into", m), located)


def _check_reshaping(contract: Contract, located: LocatedDocument) -> None:
    if contract.unpivot is not None:
        codes = _need_field(contract, contract.unpivot.codes, ("unpivot", "codes"), located)
        _need_field(contract, contract.unpivot.values, ("unpivot", "values"), located)
        if codes is not None and codes.categories is None and codes.codes is None:
            sentence = f"'{codes.name}' has no code set, so no heading can be one of its codes"
            located.complain(("unpivot", "codes"), sentence)
        if contract.unpivot.codes == contract.unpivot.values:
            located.complain(("unpivot", "values"), "codes and values must be two fields")
    if contract.pivot is None:
        return
    if contract.unpivot is not None:
        located.complain(("pivot",), "a table is long (unpivot) or wide (pivot), not both")
    if not contract.primary_key:
        located.complain(("pivot",), "'pivot' needs a primaryKey: it says which rows become one")
    if contract.duplicates.survivorship not in ("merge", "most_complete"):
        sentence = "'pivot' needs duplicates.survivorship: merge, to make one row of several"
        located.complain(("pivot",), sentence)


def _check_codes_named(
    contract: Contract,
    columns: Mapping[str, Column],
    named: Mapping[str, str],
    at: Position,
    located: LocatedDocument,
) -> None:
    for name, code in named.items():
        if _need_field(contract, name, (*at, name), located) is None:
            continue
        known = columns[name].values
        if known is not None and code not in known:
            hint = nearest(code, known)
            located.complain((*at, name), f"'{code}' is never a value of '{name}'{hint}")


def _check_formulas(contract: Contract, located: LocatedDocument) -> None:
    columns = formula_columns(contract)
    seen: set[str] = set()
    for n, check in enumerate(contract.checks):
        at: Position = ("checks", n)
        if check.id in seen:
            located.complain((*at, "id"), f"the check '{check.id}' stands here a second time")
        seen.add(check.id)
        try:
            parse_check(check.formula, columns)
        except FormulaError as error:
            located.complain((*at, "formula"), f"the formula of '{check.id}': {error}")

"""Rules of a mapping that no single key can show: it and the contract it leads to must agree."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Iterable
from collections.abc import Mapping as Named
from zoneinfo import available_timezones

from pipeline.contract.loading import Contract
from pipeline.contract.yaml_file import LocatedDocument, Position
from pipeline.kinds import codeset_of, kind_of
from pipeline.mapping.dateformats import FormatError, orders_of
from pipeline.mapping.model import REPAIR, MappedField, Mapping
from pipeline.standardize.datedecision import DateHint
from pipeline.standardize.text import fold
from pipeline.standardize.units import normalize_unit
from pipeline.standardize.zonedtimes import is_zone

FRACTION = "1"
"""The unit of a percentage that is written as a fraction."""


def cross_check(
    mapping: Mapping, contracts: Named[str, Contract], located: LocatedDocument
) -> None:
    """Complain about everything in a mapping that its contract does not know."""
    contract = contracts.get(mapping.contract)
    if contract is None:
        hint = _did_you_mean(mapping.contract, contracts)
        located.complain(("contract",), f"there is no contract '{mapping.contract}'{hint}")
        return
    _check_reading(mapping, located)
    fed: dict[str, str] = {}
    for n, field in enumerate(mapping.fields):
        _check_field(field, ("fields", n), contract, located)
        for name in field.to:
            if name in fed:
                sentence = f"'{fed[name]}' and '{field.name}' both feed the field '{name}'"
                located.complain(("fields", n, "to"), sentence)
            fed.setdefault(name, field.name)
    for name in mapping.constants:
        if name not in contract.field_names:
            _unknown_field(name, ("constants", name), contract, located)
        elif name in fed:
            sentence = f"the field '{name}' is fed by '{fed[name]}' and by a constant"
            located.complain(("constants", name), sentence)
    _check_labels(mapping, located)
    if mapping.fields:
        _check_required(mapping, contract, fed, located)


def _check_reading(mapping: Mapping, located: LocatedDocument) -> None:
    if mapping.encoding is not None and mapping.encoding != REPAIR:
        try:
            codecs.lookup(mapping.encoding)
        except LookupError:
            located.complain(("encoding",), f"there is no encoding '{mapping.encoding}'")
    dialect = mapping.dialect
    if not dialect.header and dialect.header_rows:
        located.complain(
            ("dialect", "headerRows"), "a file without a header has no lines that hold names"
        )
    if list(dialect.header_rows) != sorted(set(dialect.header_rows)):
        located.complain(("dialect", "headerRows"), "'headerRows' must go up, each line once")
    placed = len(dialect.spans)
    if placed and not dialect.header and mapping.fields and placed != len(mapping.fields):
        located.complain(
            ("dialect",),
            f"it places {placed} columns, and {len(mapping.fields)} fields are named; a file "
            "without a header needs one for each",
        )
    if mapping.footer.drop and mapping.footer.expect is None:
        located.complain(
            ("footer",), "a footer needs 'expect', so that no record of data is ever dropped"
        )


def _check_labels(mapping: Mapping, located: LocatedDocument) -> None:
    seen: dict[str, int | None] = {}
    for n, field in enumerate(mapping.fields):
        if field.name in seen and (field.position is None or seen[field.name] is None):
            located.complain(
                ("fields", n, "name"),
                f"the label '{field.name}' stands here twice; give both a 'position'",
            )
        seen[field.name] = field.position


def _check_field(
    field: MappedField, at: Position, contract: Contract, located: LocatedDocument
) -> None:
    for name in field.to:
        if name not in contract.field_names:
            _unknown_field(name, (*at, "to"), contract, located)
            return
    try:
        orders_of(field.format)
    except FormatError as error:
        located.complain((*at, "format"), str(error))
    try:
        DateHint(languages=field.languages, zones=field.zones)
    except ValueError as error:
        located.complain(at, str(error))
    if field.timezone is not None and not _is_timezone(field.timezone):
        located.complain(
            (*at, "timezone"),
            f"there is no time zone '{field.timezone}'"
            f"{_did_you_mean(field.timezone, available_timezones())}",
        )
    if field.decimal_char is not None and field.decimal_char == field.group_char:
        located.complain((*at, "groupChar"), "it cannot be the decimal sign as well")
    _check_units(field, at, located)
    _check_words(field, at, located)
    for name in field.to:
        _check_values(field, name, at, contract, located)


def _is_timezone(name: str) -> bool:
    return is_zone(name) and name[:1] not in "+-"


def _check_units(field: MappedField, at: Position, located: LocatedDocument) -> None:
    if field.unit is not None and not _is_unit(field.unit):
        located.complain((*at, "unit"), f"the unit '{field.unit}' is not known")
    for code, unit in field.units.items():
        if not _is_unit(unit):
            located.complain((*at, "units", code), f"the unit '{unit}' is not known")


def _is_unit(text: str) -> bool:
    return text == FRACTION or normalize_unit(text) is not None


def _check_words(field: MappedField, at: Position, located: LocatedDocument) -> None:
    true, false = (
        {fold(word) for word in words or ()} for words in (field.true_values, field.false_values)
    )
    if true & false:
        located.complain((*at, "falseValues"), "a word cannot mean true and false")
    both = set(field.values) & set(field.reject_values)
    if both:
        sentence = "a value cannot be translated and rejected"
        located.complain((*at, "rejectValues"), sentence)


def _check_values(
    field: MappedField, name: str, at: Position, contract: Contract, located: LocatedDocument
) -> None:
    """What values are translated to must be something the field knows."""
    described = contract.field(name)
    kind = kind_of(described)
    for source, value in field.values.items():
        if not value:
            continue
        if kind in ("code", "category"):
            codes = {code.value for code in codeset_of(described, contract).codes}
            if value not in codes:
                located.complain(
                    (*at, "values", source),
                    f"'{value}' is no code of {name}{_did_you_mean(value, codes)}",
                )
        elif kind == "ucum-unit" and normalize_unit(value) is None:
            located.complain((*at, "values", source), f"the unit '{value}' is not known")
        elif kind == "boolean" and value not in ("true", "false"):
            located.complain((*at, "values", source), f"{name} takes true or false")


def _check_required(
    mapping: Mapping, contract: Contract, fed: Named[str, str], located: LocatedDocument
) -> None:
    provided = set(fed) | set(mapping.constants)
    for name in fed:
        split = contract.field(name).split if name in contract.field_names else None
        provided |= set(split.targets().values()) if split is not None else set()
    for field in contract.fields:
        if field.constraints.required and field.name not in provided:
            located.complain(
                ("fields",),
                f"{contract.name} requires '{field.name}', and no column feeds it; say which with "
                "'to', or give it a value below 'constants'",
            )


def _unknown_field(name: str, at: Position, contract: Contract, located: LocatedDocument) -> None:
    hint = _did_you_mean(name, contract.field_names)
    located.complain(at, f"{contract.name} has no field '{name}'{hint}")


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""

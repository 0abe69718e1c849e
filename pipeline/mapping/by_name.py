"""Which column of a file is which field of a contract: by whole names only, and never by guessing.

A heading claims a field when it is the field's name, title or alias after folding case, space and
punctuation. Likeness only makes suggestions for people. Which contract a file is for is told by
its columns; its file name is not looked at.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NoReturn

from pipeline.contract.model import Contract
from pipeline.contract.names import squeezed
from pipeline.errors import ContentError, FileCode
from pipeline.mapping.sourcewords import NO_WORDS, SourceWords
from pipeline.same import Same
from pipeline.standardize.text import fold
from pipeline.standardize.units import normalize_unit

EXACT_CONFIDENCE = 1.0
FUZZY_CONFIDENCE = 0.6
"""The most that likeness of names and values can ever give a pair."""
ALIAS_CONFIDENCE = 0.97
_SUGGEST_RATIO = 0.75  # below this, two headings share letters by accident
_SUGGESTIONS = 3
_WITH_UNIT = re.compile(r"(?P<name>.+?)\s*(?:\((?P<round>[^()]+)\)|\[(?P<square>[^\[\]]+)\])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The column that claims a field. position: 0 for the first column of the file.

    how: by the field's name, by an alias, by a confirmed mapping, or as a proposal of ours that
    nobody has confirmed. margin: how far ahead of the second best the claim is, 0 to 1.
    words: what is known about its cells besides, as a unit in the heading.
    """

    position: int
    how: Literal["exact", "alias", "mapping", "proposed"]
    confidence: float
    margin: float = 1.0
    words: SourceWords = NO_WORDS
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """What a header means to one contract.

    matched: field name -> its column. conflicts: field name -> the several columns that claim it.
    missing_required: required fields without any column. rescued: columns no field claims.
    suggestions: for some of the rescued columns, fields with a similar name, best first.
    ignored: columns a mapping leaves out. kept: columns a mapping keeps beside the data.
    """

    contract: str
    matched: Mapping[str, Match]
    conflicts: Mapping[str, tuple[int, ...]]
    missing_required: tuple[str, ...]
    rescued: tuple[int, ...]
    suggestions: Mapping[int, tuple[str, ...]]
    ignored: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()

    @property
    def fits(self) -> bool:
        """True when every required field has a column."""
        return not self.missing_required

    @property
    def fields(self) -> set[str]:
        """Fields that have a column, disputed ones included."""
        return {*self.matched, *self.conflicts}

    @property
    def claimed(self) -> int:
        """Number of fields that have a column, disputed ones included."""
        return len(self.matched) + len(self.conflicts)


def map_columns(header: tuple[str, ...], contract: Contract) -> ColumnMapping:
    """Find each field's column. `header` holds the labels as they stand; they may repeat.

    Remembered, because the next file nearly always has the header of one before: for the same
    header it is the very same mapping, which nobody changes.
    """
    return _map_columns(header, Same(contract))


@lru_cache(maxsize=1_024)
def _map_columns(header: tuple[str, ...], of: Same[Contract]) -> ColumnMapping:
    contract = of.thing
    exact, known = _names_of(contract)
    claims: dict[str, list[int]] = {}
    rescued: list[int] = []
    units: dict[int, str] = {}
    for position, label in enumerate(header):
        field = known.get(squeezed(label))
        if field is None:
            field, unit = _named_with_unit(label, known, contract)
            units[position] = unit
        if field is None:
            rescued.append(position)
        else:
            claims.setdefault(field, []).append(position)
    matched = {
        field: _match(positions[0], field, header, exact, units.get(positions[0]))
        for field, positions in claims.items()
        if len(positions) == 1
    }
    open_fields = [name for name in contract.field_names if name not in claims]
    return ColumnMapping(
        contract=contract.name,
        matched=matched,
        conflicts={name: tuple(at) for name, at in claims.items() if len(at) > 1},
        missing_required=_missing_required(contract, claims),
        rescued=tuple(rescued),
        suggestions=_suggest(header, rescued, contract, open_fields),
    )


def _match(
    position: int, field: str, header: tuple[str, ...], exact: Mapping[str, str], unit: str | None
) -> Match:
    is_exact = exact.get(squeezed(header[position])) == field
    confidence = EXACT_CONFIDENCE if is_exact else ALIAS_CONFIDENCE
    others = {label for at, label in enumerate(header) if at != position}
    nearest = max((_likeness(label, field) for label in others), default=0.0)
    return Match(
        position=position,
        how="exact" if is_exact else "alias",
        confidence=confidence,
        margin=round(confidence - FUZZY_CONFIDENCE * nearest, 3),
        words=NO_WORDS if not unit else SourceWords(unit=unit),
    )


@lru_cache(maxsize=16_384)
def _likeness(label: str, name: str) -> float:
    """How alike two names are, 0 to 1. For margins and suggestions; it accepts nothing."""
    return difflib.SequenceMatcher(None, fold(label), fold(name)).ratio()


def _named_with_unit(
    label: str, known: Mapping[str, str], contract: Contract
) -> tuple[str | None, str]:
    """The measured field a heading names with its unit, as in `Weight (kg)`; None for none."""
    parts = _WITH_UNIT.fullmatch(label.strip())
    if parts is None:
        return None, ""
    field = known.get(squeezed(parts["name"]))
    unit = next(part for part in (parts["round"], parts["square"]) if part is not None).strip()
    if field is None or contract.field(field).unit is None or normalize_unit(unit) is None:
        return None, ""
    return field, unit


def _names_of(contract: Contract) -> tuple[dict[str, str], dict[str, str]]:
    """Squeezed heading -> field name: names and titles alone, and with the aliases."""
    exact: dict[str, str] = {}
    known: dict[str, str] = {}
    for field in contract.fields:
        exact[squeezed(field.name)] = field.name
        if field.title:
            exact[squeezed(field.title)] = field.name
        known.update(dict.fromkeys(map(squeezed, field.headings), field.name))
    return exact, known


def _missing_required(contract: Contract, claims: Mapping[str, list[int]]) -> tuple[str, ...]:
    """Required fields that no column claims and no claimed column's split provides."""
    provided = {
        target
        for field in contract.fields
        if field.name in claims and field.split is not None
        for target in field.split.targets().values()
    }
    return tuple(
        field.name
        for field in contract.fields
        if field.constraints.required and field.name not in claims and field.name not in provided
    )


def _suggest(
    header: tuple[str, ...], rescued: list[int], contract: Contract, open_fields: list[str]
) -> dict[int, tuple[str, ...]]:
    candidates = {
        heading: name
        for name in open_fields
        for heading in map(fold, contract.field(name).headings)
    }
    suggestions: dict[int, tuple[str, ...]] = {}
    for position in rescued:
        near = difflib.get_close_matches(
            fold(header[position]), candidates, n=_SUGGESTIONS, cutoff=_SUGGEST_RATIO
        )
        if near:
            suggestions[position] = tuple(dict.fromkeys(candidates[one] for one in near))
    return suggestions


def choose_contract(
    header: tuple[str, ...],
    contracts: Mapping[str, Contract],
    mappings: Mapping[str, ColumnMapping] | None = None,
) -> tuple[Contract, ColumnMapping]:
    """Find the contract whose required fields all have a column, and the most fields besides.

    `mappings`: by contract, where the table is not the same to each of them. The mapping that is
    returned may still hold conflicts: two columns for one field.

    Raises:
        ContentError: SCHEMA_UNKNOWN or REQUIRED_MISSING when none fits, SCHEMA_AMBIGUOUS when
            several fit equally well. Notes name fields and positions, never the file's labels: of
            a file without a header they would be somebody's data.
    """
    if mappings is None:
        mappings = {name: map_columns(header, contract) for name, contract in contracts.items()}
    fitting = [mapping for mapping in mappings.values() if mapping.fits and mapping.claimed]
    if not fitting:
        _refuse(header, list(mappings.values()))
    most = max(mapping.claimed for mapping in fitting)
    best = [mapping for mapping in fitting if mapping.claimed == most]
    if len(best) > 1:
        names = ", ".join(sorted(mapping.contract for mapping in best))
        raise ContentError(
            FileCode.SCHEMA_AMBIGUOUS,
            f"{most} columns fit each of these contracts: {names}",
            tuple(line for mapping in best for line in explain(mapping)),
        )
    return contracts[best[0].contract], best[0]


def _refuse(header: tuple[str, ...], mappings: list[ColumnMapping]) -> NoReturn:
    """Say which contract was nearest; call it the right one only when that is clear."""
    ranked = sorted(
        mappings, key=lambda one: (-one.claimed, len(one.missing_required), one.contract)
    )
    if not ranked or ranked[0].claimed == 0:
        known = ", ".join(sorted(one.contract for one in mappings))
        note = f"no column name is known to any contract (there are: {known})"
        raise ContentError(FileCode.SCHEMA_UNKNOWN, note)
    nearest = ranked[0]
    is_clear = (
        nearest.claimed * 2 >= sum(1 for label in header if label.strip())
        and nearest.claimed > 1
        and all(other.claimed < nearest.claimed for other in ranked[1:])
    )
    missing = ", ".join(nearest.missing_required)
    if is_clear:
        note = f"the columns are those of {nearest.contract}, but it requires: {missing}"
        raise ContentError(FileCode.REQUIRED_MISSING, note, explain(nearest))
    note = (
        f"nearest is {nearest.contract}: {nearest.claimed} of {len(header)} columns are known to "
        f"it, and it requires: {missing}"
    )
    raise ContentError(FileCode.SCHEMA_UNKNOWN, note, explain(nearest))


def explain(mapping: ColumnMapping) -> tuple[str, ...]:
    """Tell what a header means to a contract, in lines that name fields and positions only."""
    lines = [f"{mapping.contract}: {len(mapping.matched)} fields have their column"]
    for field, positions in mapping.conflicts.items():
        columns = " and ".join(str(position + 1) for position in positions)
        lines.append(f"{mapping.contract}: columns {columns} both claim {field}")
    lines += [f"{mapping.contract}: {field} has no column" for field in mapping.missing_required]
    for position, fields in mapping.suggestions.items():
        similar = " or ".join(fields)
        lines.append(f"{mapping.contract}: column {position + 1} looks like {similar}")
    if mapping.rescued:
        columns = ", ".join(str(position + 1) for position in mapping.rescued)
        lines.append(f"{mapping.contract}: columns no field claims: {columns}")
    return tuple(lines)

"""From a file's columns and their values to a plan. Raises nothing about values: it asks instead.

A heading claims a field, but values may veto it: a birth date column in which nothing is a date is
not the birth date, whatever stands above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.contract.loading import Contract
from pipeline.contract.model import exceeds
from pipeline.errors import FileCode
from pipeline.formats.base import TableReader
from pipeline.formula.evaluate import Moment
from pipeline.inspect import Evidence, inspect
from pipeline.inspectors import Setting, Settled
from pipeline.kinds import kind_of
from pipeline.mapping.by_name import ColumnMapping, Match
from pipeline.mapping.layout import labels_fingerprint, layout_fingerprint, seen_in
from pipeline.mapping.model import Seen
from pipeline.measures import measures_of
from pipeline.plain import Kept, kept
from pipeline.plan import ColumnPlan, Plan, UnclaimedColumn
from pipeline.reshape.reshaped import source_header
from pipeline.review.answers import IGNORE, KEEP, REJECT, RESCUE, key_of_column
from pipeline.same import remembered
from pipeline.standardize.base import Question
from pipeline.standardize.unit_evidence import UNKNOWN_CODE
from pipeline.standardize.unit_spellings import SPELLINGS

# Below half, a column is something else; but of a handful of values chance decides, so then only
# "none at all" counts, and a single value never does: it is refused as a row.
_VETO_SHARE = 0.5
_FEW_VALUES = 10
_FEW_SPELLINGS = 25
_SHORT = 2  # characters of codes like 1 and 2
_PARSE_SHARE = 0.95
"""Of each column at least so many values must be what the field takes."""
_UNKNOWN_CODES = "1%"
"""More values that are no code are asked about, unless the contract says how many may be."""
_CODED = frozenset({"code", "category", "boolean", "ucum-unit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A plan, and what it must not hold: the evidence, with a few values for people to see.

    seen: what the values of each field's column look like. vetoed: fields whose column is
    something else.
    """

    plan: Plan
    evidence: Evidence
    seen: dict[str, Seen]
    vetoed: tuple[str, ...]


def make_plan(
    reader: TableReader, contract: Contract, mapping: ColumnMapping, moment: Moment
) -> Plan:
    """Read the whole file once and decide everything that is decided once.

    Raises:
        PipelineError: the file cannot be read to its end.
    """
    return study(reader, contract, mapping, moment).plan


def study(reader: TableReader, contract: Contract, mapping: ColumnMapping, moment: Moment) -> Study:
    """As `make_plan`, with the evidence it rests on.

    Raises:
        PipelineError: the file cannot be read to its end.
    """
    reading = reader.describe()
    positions = {name: match.position for name, match in mapping.matched.items()}
    settings = {
        name: Setting(
            label=label_of(reader.header, match.position),
            contract=contract,
            today=moment.today,
            delimiter=reading.get("delimiter"),
            words=match.words,
        )
        for name, match in mapping.matched.items()
    }
    evidence = inspect(reader, contract, positions, settings)
    seen = _seen(contract, evidence)
    labels = source_header(reader)
    vetoed = tuple(
        name
        for name, settled in evidence.columns.items()
        if is_vetoed(settled) and "other-values" not in settings[name].words.accept
    )
    plan = Plan(
        reading=reading,
        contract=contract.name,
        contract_version=contract.version,
        contract_sha256=contract.sha256,
        columns=tuple(
            _column(name, reader.header, contract, mapping, evidence, seen[name])
            for name in contract.field_names
            if name in mapping.matched
        ),
        unclaimed=_unclaimed(reader.header, contract, mapping),
        questions=(
            *_questions_about_columns(reader.header, contract, mapping),
            *_questions_about_values(evidence, settings, contract, mapping, vetoed),
        ),
        records=evidence.records,
        layout=layout_fingerprint(
            labels,
            [(reader.header[at], seen[name]) for name, at in positions.items() if at < len(labels)],
            reading.get("delimiter"),
        ),
        labels=labels_fingerprint(labels),
    )
    return Study(plan=plan, evidence=evidence, seen=seen, vetoed=vetoed)


def label_of(header: tuple[str, ...], position: int) -> str:
    """What a column is called in questions: its label, with its place where that is not enough."""
    return key_of_column(header[position], position + 1, header)


def _shape_of(seen: Seen) -> dict[str, Any]:
    """What was seen, for the plan: of units only the known ones, for the others may be anything."""
    shape: dict[str, Any] = seen.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    units = {
        code: [unit for unit in several if unit in SPELLINGS]
        for code, several in seen.units.items()
        if not code.startswith(UNKNOWN_CODE)
    }
    shape.pop("units", None)
    known = {code: several for code, several in units.items() if several}
    return {**shape, "units": known} if known else shape


def _seen(contract: Contract, evidence: Evidence) -> dict[str, Seen]:
    """What each field's column looks like. Units belong to the column that names them."""
    units: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for one in measures_of(contract):
        if one.is_main and one.field in evidence.seen_units:
            owner = one.unit_field if one.unit_field in evidence.columns else one.source
            units[owner] = evidence.seen_units[one.field]
    return {
        name: _seen_once(kind_of(contract.field(name)), settled.evidence, units.get(name, {}))
        for name, settled in evidence.columns.items()
    }


def _seen_once(
    kind: str, evidence: Mapping[str, Any], units: Mapping[str, tuple[str, ...]]
) -> Seen:
    return _seen_in(kind, kept(evidence), kept(units))


@remembered(8_192)
def _seen_in(kind: str, evidence: Kept, units: Kept) -> Seen:
    return seen_in(kind, evidence, units)


def _column(
    name: str,
    header: tuple[str, ...],
    contract: Contract,
    mapping: ColumnMapping,
    evidence: Evidence,
    seen: Seen,
) -> ColumnPlan:
    match, settled = mapping.matched[name], evidence.columns[name]
    measured = [
        one.field
        for one in measures_of(contract)
        if one.source == name and one.field in evidence.units
    ]
    about_units = [sentence for field in measured for sentence in evidence.units[field].sentences]
    scales = {
        field: dict(evidence.units[field].scales)
        for field in measured
        if evidence.units[field].scales
    }
    return _column_once(
        name,
        header[match.position],
        kind_of(contract.field(name)),
        match,
        kept(settled.decision),
        kept(settled.evidence),
        kept({"sentences": (*settled.sentences, *about_units)}),
        kept(scales),
        seen,
    )


@remembered(8_192)
def _column_once(
    name: str,
    label: str,
    kind: str,
    match: Match,
    decision: Kept,
    evidence: Kept,
    sentences: Kept,
    scales: Kept,
    seen: Seen,
) -> ColumnPlan:
    """The plan of a column; of the next file with the same evidence it is the same."""
    return ColumnPlan(
        label=label,
        position=match.position,
        field=name,
        matched=match.how,
        confidence=match.confidence,
        margin=match.margin,
        kind=kind,
        decision=decision,
        evidence=evidence,
        sentences=tuple(sentences["sentences"]),
        scales=scales,
        words=match.words.to_dict(),
        seen=_shape_of(seen),
    )


def _unclaimed(
    header: tuple[str, ...], contract: Contract, mapping: ColumnMapping
) -> tuple[UnclaimedColumn, ...]:
    fate = "ignore" if contract.policy.new_columns == "ignore" else "rescue"
    fates = dict.fromkeys(mapping.rescued, fate) | dict.fromkeys(mapping.kept, "rescue")
    fates |= dict.fromkeys(mapping.ignored, "ignore")
    return tuple(
        UnclaimedColumn(
            label=header[position],
            position=position,
            fate=fates[position],
            nearest_field=next(iter(mapping.suggestions.get(position, ())), None),
        )
        for position in sorted(fates)
    )


def _questions_about_columns(
    header: tuple[str, ...], contract: Contract, mapping: ColumnMapping
) -> Iterator[Question]:
    free = {
        label_of(header, at): f"the column at place {at + 1} feeds it" for at in mapping.rescued
    }
    for name in mapping.missing_required:
        can_be_constant = kind_of(contract.field(name)) in _CODED
        is_settleable = bool(free) or can_be_constant
        yield Question(
            code=FileCode.REQUIRED_MISSING,
            column=name,
            sentence=f"{contract.name} requires {name}, and no column is called so.",
            key=f"field:{name}" if is_settleable else "",
            answers=free,
            free="'=value' gives every row the same value" if is_settleable else None,
        )
    for name, positions in mapping.conflicts.items():
        places = " and ".join(str(position + 1) for position in positions)
        yield Question(
            code=FileCode.COLUMN_CONFLICT,
            column=header[positions[0]],
            sentence=f"Columns {places} both claim the field {name}.",
            key=f"field:{name}",
            answers={
                label_of(header, at): f"the column at place {at + 1} is {name}" for at in positions
            },
        )
    if contract.policy.new_columns == "fail" and mapping.rescued:
        places = ", ".join(str(position + 1) for position in mapping.rescued)
        yield Question(
            code=FileCode.COLUMN_NEW,
            column=f"column {mapping.rescued[0] + 1}",
            sentence=f"No field of {contract.name} claims column {places}.",
        )


def _questions_about_values(
    evidence: Evidence,
    settings: Mapping[str, Setting],
    contract: Contract,
    mapping: ColumnMapping,
    vetoed: tuple[str, ...],
) -> Iterator[Question]:
    for name, settled in evidence.columns.items():
        label = settings[name].label
        if name in vetoed:
            yield _misfit(name, label, settled, contract, mapping)
            continue
        yield from settled.questions
        kind = kind_of(contract.field(name))
        if kind in _CODED:
            yield from _unknown_codes(name, label, settled, contract)
        elif not settled.questions and _is_unreadable(settled, settings[name]):
            yield _unreadable(name, label, settled)
    for question in evidence.questions:
        if not any(settings[name].label == question.column for name in vetoed):
            yield question


def is_vetoed(settled: Settled) -> bool:
    """True when so few values are what the field takes that the column must be something else."""
    share = settled.parse_share
    if share is None or settled.values < 2:
        return False
    if settled.unknown and (share > 0 or _are_words(settled)):
        return False  # codes that nobody knows yet can be told one by one
    return share == 0 or (share < _VETO_SHARE and settled.values >= _FEW_VALUES)


def _are_words(settled: Settled) -> bool:
    """True when the spellings that are no code are a few words, as codes of another source are."""
    if len(settled.unknown) > _FEW_SPELLINGS:
        return False
    worded = sum(
        count
        for text, count in settled.unknown
        if len(text) <= _SHORT or sum(map(str.isalpha, text)) > sum(map(str.isdigit, text))
    )
    return worded * 2 > sum(count for _, count in settled.unknown)


def _misfit(
    name: str, label: str, settled: Settled, contract: Contract, mapping: ColumnMapping
) -> Question:
    share = settled.parse_share or 0.0
    is_coded = kind_of(contract.field(name)) in _CODED
    others = [one for one in contract.field_names if one != name and one not in mapping.fields]
    return Question(
        code=FileCode.COLUMN_MISFIT,
        column=label,
        sentence=(
            f"{'None' if not share else f'Only {share:.0%}'} of {settled.values} values fit "
            f"{name}; the column is something else than its heading says."
        ),
        key=f"misfit:{label}",
        answers={
            KEEP: f"it is {name} all the same"
            + ("; its codes are asked about next" if is_coded else "; rows that do not fit are "
               "rejected"),
            RESCUE: "it is something else: keep it beside the data",
            IGNORE: "it is something else: leave it out",
            **{one: f"it is {one}" for one in others[:_MOST_ANSWERS]},
        },
    )  # fmt: skip


_MOST_ANSWERS = 30


def _unknown_codes(
    name: str, label: str, settled: Settled, contract: Contract
) -> Iterator[Question]:
    described = contract.field(name)
    if described.codes is not None and described.codes.unknown != "review":
        return  # the contract says what becomes of them
    unknown = int(settled.evidence.get("unknown", 0)) + int(settled.evidence.get("ambiguous", 0))
    bearable = contract.policy.max_unknown_codes or _UNKNOWN_CODES
    if exceeds(bearable, unknown, settled.values):
        what = "unit" if kind_of(described) == "ucum-unit" else "code"
        yield Question(
            code=FileCode.CODES_UNKNOWN,
            column=label,
            sentence=f"{unknown} of {settled.values} values of {name} are no known {what}.",
            key=f"codes:{label}",
        )


def _is_unreadable(settled: Settled, setting: Setting) -> bool:
    """A single bad value is the fault of a row, several may be the fault of a decision."""
    share = settled.parse_share
    if share is None or share >= _PARSE_SHARE or "unreadable" in setting.words.accept:
        return False
    return round((1 - share) * settled.values) > 1


def _unreadable(name: str, label: str, settled: Settled) -> Question:
    bad = round((1 - (settled.parse_share or 0.0)) * settled.values)
    return Question(
        code=FileCode.VALUES_UNREADABLE,
        column=label,
        sentence=f"{bad} of {settled.values} values cannot be read as {name}.",
        key=f"unread:{label}",
        answers={
            REJECT: "yes, that happens: reject such rows one by one",
            RESCUE: "the column is something else: keep it beside the data",
            IGNORE: "the column is something else: leave it out",
        },
    )

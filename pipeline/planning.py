"""From a file's columns and their values to a plan. Raises nothing about values: it asks instead.

A heading claims a field, but values may veto it: a birth date column in which nothing is a date is
not the birth date, whatever stands above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.columnset import CODED, KnownColumns, known_of
from pipeline.contract.loading import Contract
from pipeline.contract.model import exceeds
from pipeline.errors import FileCode
from pipeline.formats.base import TableReader
from pipeline.formula.evaluate import Moment
from pipeline.inspect import Evidence, inspect
from pipeline.inspectors import Setting, Settled
from pipeline.kinds import kind_of
from pipeline.mapping.by_name import ColumnMapping, Match
from pipeline.mapping.layout import seen_in
from pipeline.mapping.model import Seen
from pipeline.measures import measures_of
from pipeline.plain import Kept, kept
from pipeline.plan import ColumnPlan, Plan
from pipeline.review.answers import IGNORE, KEEP, REJECT, RESCUE
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
    reading = kept(reader.describe())
    known = known_of(reader, contract, mapping, moment.today, reading.get("delimiter"))
    evidence = inspect(reader, contract, known.positions, known.settings)
    seen = _seen(contract, evidence)
    vetoed = tuple(
        name
        for name, settled in evidence.columns.items()
        if is_vetoed(settled) and "other-values" not in known.settings[name].words.accept
    )
    about_values = _questions_about_values(evidence, known.settings, contract, mapping, vetoed)
    questions = (*known.questions, *about_values)
    plan = _plan(
        contract,
        known,
        reading,
        evidence.records,
        known.layout([seen[name] for name in known.settings]),
        *(
            _column(name, label, contract, mapping, evidence, seen[name])
            for name, label in known.columns
        ),
    )
    plan = replace(plan, questions=questions) if questions else plan
    return Study(plan=plan, evidence=evidence, seen=seen, vetoed=vetoed)


@remembered(256)
def _plan(
    contract: Contract,
    known: KnownColumns,
    reading: Kept,
    records: int,
    layout: str,
    *columns: ColumnPlan,
) -> Plan:
    """The plan as far as nothing is asked; the same for the next file with the same evidence."""
    return Plan(
        reading=reading,
        contract=contract.name,
        contract_version=contract.version,
        contract_sha256=contract.sha256,
        columns=columns,
        unclaimed=known.unclaimed,
        records=records,
        layout=layout,
        labels=known.labels_fingerprint,
    )


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
        name: _seen_once(kind_of(contract.field(name)), settled.evidence, units[name])
        if name in units
        else _seen_without_units(kind_of(contract.field(name)), settled)
        for name, settled in evidence.columns.items()
    }


@remembered(8_192)
def _seen_without_units(kind: str, settled: Settled) -> Seen:
    return _seen_once(kind, settled.evidence, {})


def _seen_once(
    kind: str, evidence: Mapping[str, Any], units: Mapping[str, tuple[str, ...]]
) -> Seen:
    return _seen_in(kind, kept(evidence), kept(units))


@remembered(8_192)
def _seen_in(kind: str, evidence: Kept, units: Kept) -> Seen:
    return seen_in(kind, evidence, units)


def _column(
    name: str,
    label: str,
    contract: Contract,
    mapping: ColumnMapping,
    evidence: Evidence,
    seen: Seen,
) -> ColumnPlan:
    match, settled = mapping.matched[name], evidence.columns[name]
    if not evidence.units:
        return _unmeasured_column(name, label, contract, match, settled, seen)
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
        label,
        kind_of(contract.field(name)),
        match,
        kept(settled.decision),
        kept(settled.evidence),
        kept({"sentences": (*settled.sentences, *about_units)}),
        kept(scales),
        seen,
    )


@remembered(8_192)
def _unmeasured_column(
    name: str, label: str, contract: Contract, match: Match, settled: Settled, seen: Seen
) -> ColumnPlan:
    return _column_once(
        name,
        label,
        kind_of(contract.field(name)),
        match,
        kept(settled.decision),
        kept(settled.evidence),
        kept({"sentences": settled.sentences}),
        kept({}),
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
        if kind in CODED:
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
    is_coded = kind_of(contract.field(name)) in CODED
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

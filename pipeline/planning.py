"""From a file's header and its values to a plan. Raises nothing about values: it asks instead.

A heading claims a field, but values may veto it: a birth date column in which nothing is a date is
not the birth date, whatever stands above it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.contract import Contract
from pipeline.errors import FileCode
from pipeline.formats.base import TableReader
from pipeline.formula_eval import Moment
from pipeline.inspect import Evidence, inspect
from pipeline.inspectors import Setting, Settled
from pipeline.kinds import kind_of
from pipeline.mapping import ColumnMapping
from pipeline.measures import measures_of
from pipeline.plan import ColumnPlan, Plan, UnclaimedColumn
from pipeline.standardize.base import Question

# Below half, a column is something else; but of a handful of values chance decides, so then only
# "none at all" counts, and a single value never does: it is refused as a row.
_VETO_SHARE = 0.5
_FEW_VALUES = 10


def make_plan(
    reader: TableReader, contract: Contract, mapping: ColumnMapping, moment: Moment
) -> Plan:
    """Read the whole file once and decide everything that is decided once.

    Raises:
        PipelineError: the file cannot be read to its end.
    """
    reading = reader.describe()
    settings = _settings(reader, contract, mapping, moment, reading.get("delimiter"))
    positions = {name: match.position for name, match in mapping.matched.items()}
    evidence = inspect(reader, contract, positions, settings)
    columns = tuple(
        _column(name, reader.header, contract, mapping, evidence)
        for name in contract.field_names
        if name in mapping.matched
    )
    return Plan(
        reading=reading,
        contract=contract.name,
        contract_version=contract.version,
        contract_sha256=contract.sha256,
        columns=columns,
        unclaimed=_unclaimed(reader.header, contract, mapping),
        questions=(
            *_questions_about_columns(reader.header, contract, mapping),
            *_questions_about_values(evidence, settings, contract),
        ),
        records=evidence.records,
    )


def _settings(
    reader: TableReader,
    contract: Contract,
    mapping: ColumnMapping,
    moment: Moment,
    delimiter: str | None,
) -> dict[str, Setting]:
    return {
        name: Setting(
            label=reader.header[match.position],
            contract=contract,
            today=moment.today,
            delimiter=delimiter,
        )
        for name, match in mapping.matched.items()
    }


def _column(
    name: str,
    header: tuple[str, ...],
    contract: Contract,
    mapping: ColumnMapping,
    evidence: Evidence,
) -> ColumnPlan:
    match, settled = mapping.matched[name], evidence.columns[name]
    measured = [
        one.field
        for one in measures_of(contract)
        if one.source == name and one.field in evidence.units
    ]
    about_units = [sentence for field in measured for sentence in evidence.units[field].sentences]
    return ColumnPlan(
        label=header[match.position],
        position=match.position,
        field=name,
        matched=match.how,
        confidence=match.confidence,
        kind=kind_of(contract.field(name)),
        decision=_plain(settled.decision),
        evidence=_plain(settled.evidence),
        sentences=(*settled.sentences, *about_units),
        scales={
            field: dict(evidence.units[field].scales)
            for field in measured
            if evidence.units[field].scales
        },
    )


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """The same as JSON would give it back, so that a stored plan equals the one just made."""
    plain: dict[str, Any] = json.loads(json.dumps(document))
    return plain


def _unclaimed(
    header: tuple[str, ...], contract: Contract, mapping: ColumnMapping
) -> tuple[UnclaimedColumn, ...]:
    fate = "ignore" if contract.policy.new_columns == "ignore" else "rescue"
    return tuple(
        UnclaimedColumn(
            label=header[position],
            position=position,
            fate=fate,
            nearest_field=next(iter(mapping.suggestions.get(position, ())), None),
        )
        for position in mapping.rescued
    )


def _questions_about_columns(
    header: tuple[str, ...], contract: Contract, mapping: ColumnMapping
) -> Iterator[Question]:
    for name in mapping.missing_required:
        yield Question(
            code=FileCode.REQUIRED_MISSING,
            column=name,
            sentence=f"{contract.name} requires {name}, and no column is called so.",
        )
    for name, positions in mapping.conflicts.items():
        places = " and ".join(str(position + 1) for position in positions)
        yield Question(
            code=FileCode.COLUMN_CONFLICT,
            column=header[positions[0]],
            sentence=f"Columns {places} both claim the field {name}.",
        )
    if contract.policy.new_columns == "fail" and mapping.rescued:
        places = ", ".join(str(position + 1) for position in mapping.rescued)
        yield Question(
            code=FileCode.COLUMN_NEW,
            column=f"column {mapping.rescued[0] + 1}",
            sentence=f"No field of {contract.name} claims column {places}.",
        )


def _questions_about_values(
    evidence: Evidence, settings: Mapping[str, Setting], contract: Contract
) -> Iterator[Question]:
    for name, settled in evidence.columns.items():
        label = settings[name].label
        if _is_vetoed(settled):
            yield _misfit(name, label, settled)
            continue
        yield from settled.questions
        unknown = int(settled.evidence.get("unknown", 0))
        is_coded = kind_of(contract.field(name)) in ("code", "category")
        if is_coded and contract.policy.too_many_unknown(unknown, settled.values):
            yield Question(
                code=FileCode.CODES_UNKNOWN,
                column=label,
                sentence=f"{unknown} of {settled.values} values of {name} are in no code.",
            )
    yield from evidence.questions


def _is_vetoed(settled: Settled) -> bool:
    share = settled.parse_share
    if share is None or settled.values < 2:
        return False
    return share == 0 or (share < _VETO_SHARE and settled.values >= _FEW_VALUES)


def _misfit(name: str, label: str, settled: Settled) -> Question:
    share = settled.parse_share or 0.0
    return Question(
        code=FileCode.COLUMN_MISFIT,
        column=label,
        sentence=(
            f"{'None' if not share else f'Only {share:.0%}'} of {settled.values} values fit "
            f"{name}; the column is something else than its heading says."
        ),
    )

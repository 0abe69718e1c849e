"""The first pass: every value of every mapped column is looked at before anything is decided.

Evidence is counts and shapes, never values. Memory does not depend on the size of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.contract import Contract
from pipeline.formats.base import TableReader, TextBatch
from pipeline.inspectors import Inspector, Setting, Settled, inspector_of
from pipeline.standardize.base import Question
from pipeline.standardize.numbers import NumberDecision
from pipeline.standardize.text import clean, nullify
from pipeline.standardize.unit_evidence import UnitDecision
from pipeline.unitwatch import UnitWatch


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What the pass found.

    columns: by field name. units: by measured field. questions: about units.
    records: how many records the file has below its header.
    """

    columns: dict[str, Settled]
    units: dict[str, UnitDecision] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    records: int = 0


def inspect(
    reader: TableReader,
    contract: Contract,
    positions: Mapping[str, int],
    settings: Mapping[str, Setting],
) -> Evidence:
    """Look at all records. `positions` and `settings` are by mapped field."""
    inspectors: dict[str, Inspector] = {
        name: inspector_of(contract.field(name), settings[name]) for name in positions
    }
    watch = UnitWatch(contract, set(positions), {})
    records = 0
    for batch in reader.batches():
        records += batch.read
        cells = cells_of(batch, contract, positions)
        for name, inspector in inspectors.items():
            inspector.observe(cells[name])
        watch.observe(cells)
    settled = {name: inspector.settle() for name, inspector in inspectors.items()}
    watch = _watch_again(reader, contract, positions, settled) or watch
    units, questions = watch.settle({name: setting.label for name, setting in settings.items()})
    return Evidence(columns=settled, units=units, questions=questions, records=records)


def cells_of(
    batch: TextBatch, contract: Contract, positions: Mapping[str, int]
) -> dict[str, pa.StringArray]:
    """Cleaned cells by field; null where the contract calls them missing."""
    return {
        name: nullify(
            clean(batch.columns[position])[0], contract.missing_values_of(contract.field(name))
        )
        for name, position in positions.items()
    }


def _watch_again(
    reader: TableReader,
    contract: Contract,
    positions: Mapping[str, int],
    settled: Mapping[str, Settled],
) -> UnitWatch | None:
    """Look at measured values once more when a decimal comma turned up; None when none did."""
    decisions = dict(_decimal_commas(settled))
    watch = UnitWatch(contract, set(positions), decisions)
    if not watch.depends_on(decisions):
        return None
    for batch in reader.batches():
        watch.observe(cells_of(batch, contract, positions))
    return watch


def _decimal_commas(
    settled: Mapping[str, Settled],
) -> Iterator[tuple[str, NumberDecision]]:
    for name, column in settled.items():
        if column.decision.get("decimal") == ",":
            yield name, NumberDecision.from_dict(column.decision)

"""The first pass: every value of every mapped column is looked at before anything is decided.

Evidence is counts and shapes, never values. Memory does not depend on the size of the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.contract.loading import Contract
from pipeline.faults import without_faults
from pipeline.footer import LOOKED_AT, tail_of
from pipeline.formats.base import TableReader, TextBatch
from pipeline.inspectors import Inspector, Setting, Settled, inspector_of
from pipeline.looking import Lookers
from pipeline.mapping.sourcewords import SourceWords, cells_in
from pipeline.parallel import ahead
from pipeline.standardize.base import Question
from pipeline.standardize.numbers import NumberDecision
from pipeline.standardize.unit_evidence import UnitDecision
from pipeline.unitwatch import UnitWatch

_EXAMPLES = 5
_LOOKED_FOR_EXAMPLES = 100


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What the pass found.

    columns: by field name. units: by measured field. questions: about units.
    records: how many records the file has below its header. seen_units: measured field -> code ->
    units its numbers came with. tail: text of the last few records; examples: a few values by
    place of their column. These two are for people and never part of a plan.
    """

    columns: dict[str, Settled]
    units: dict[str, UnitDecision] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    records: int = 0
    seen_units: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    tail: tuple[str, ...] = ()
    examples: dict[int, tuple[str, ...]] = field(default_factory=dict)


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
    words = {name: setting.words for name, setting in settings.items()}
    watch = UnitWatch(contract, words, {})
    records = 0
    tail: deque[str] = deque(maxlen=LOOKED_AT)
    examples: dict[int, tuple[str, ...]] = {}
    here = watch.fields_of(positions)
    with closing(Lookers(contract, positions, settings, inspectors, here)) as lookers:
        for batch in ahead(reader.batches()):
            records += batch.read
            tail.extend(raw for _, raw in tail_of(batch))
            cells = {name: seen for name, (_, seen) in lookers.look(batch, reader).items()}
            if not examples:
                examples = {at: _examples(cells[name]) for name, at in positions.items()}
            watch.observe(cells)
        settled = lookers.settle(reader)
    watch = _watch_again(reader, contract, positions, settled, words) or watch
    units, questions = watch.settle({name: setting.label for name, setting in settings.items()})
    return Evidence(
        columns=settled,
        units=units,
        questions=questions,
        records=records,
        seen_units=watch.seen_units(),
        tail=tuple(tail),
        examples=examples,
    )


def _examples(cells: pa.StringArray) -> tuple[str, ...]:
    """The first few different values of a batch."""
    if len(cells) <= _LOOKED_FOR_EXAMPLES:
        found = dict.fromkeys(cells.to_pylist())
        found.pop(None, None)
        return tuple(found)[:_EXAMPLES]
    head = cells.drop_null().slice(0, _LOOKED_FOR_EXAMPLES)
    return tuple(dict.fromkeys(head.to_pylist()))[:_EXAMPLES]


def cells_of(
    batch: TextBatch,
    contract: Contract,
    positions: Mapping[str, int],
    words: Mapping[str, SourceWords],
) -> dict[str, pa.StringArray]:
    """Cleaned cells by field; null where they are missing or, by their format, no values."""
    return {
        name: without_faults(
            cells_in(
                batch, at, words[name], contract.missing_values_of(contract.field(name))
            ).cells,
            batch,
            at,
        )
        for name, at in positions.items()
    }


def _watch_again(
    reader: TableReader,
    contract: Contract,
    positions: Mapping[str, int],
    settled: Mapping[str, Settled],
    words: Mapping[str, SourceWords],
) -> UnitWatch | None:
    """Look at measured values once more when a decimal comma turned up; None when none did."""
    decisions = dict(_decimal_commas(settled))
    if not decisions:
        return None
    watch = UnitWatch(contract, words, decisions)
    if not watch.depends_on(decisions):
        return None
    for batch in reader.batches():
        watch.observe(cells_of(batch, contract, positions, words))
    return watch


def _decimal_commas(
    settled: Mapping[str, Settled],
) -> Iterator[tuple[str, NumberDecision]]:
    for name, column in settled.items():
        if column.decision.get("decimal") == ",":
            yield name, NumberDecision.from_dict(column.decision)

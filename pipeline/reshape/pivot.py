"""Long to wide: each row of a long file fills the one cell its code names.

Rows are not gathered here: those that share the key are merged later, by the contract's
`duplicates.survivorship`, which also sees when two rows fill one cell differently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.model import Contract
from pipeline.contract.names import squeezed
from pipeline.errors import RowCode
from pipeline.formats.base import BadRecord, TableReader, TextBatch
from pipeline.mapping.by_name import map_columns
from pipeline.reshape.reshaped import ReshapedReader
from pipeline.standardize.distinct import read_distinct


@dataclass(frozen=True, slots=True, kw_only=True)
class _LongColumns:
    """Where a long file says which field (codes), what (values) and in which unit (units)."""

    codes: int
    values: int
    units: int | None


def _long_columns(header: Sequence[str], contract: Contract) -> _LongColumns | None:
    rule = contract.pivot
    if rule is None:
        return None
    free = set(map_columns(tuple(header), contract).rescued)
    places: list[int | None] = []
    for headings in (rule.codes, rule.values, rule.units):
        names = {squeezed(heading) for heading in headings}
        found = [at for at in sorted(free) if squeezed(header[at]) in names]
        places.append(found[0] if len(found) == 1 else None)
    codes, values, units = places
    if codes is None or values is None:
        return None
    return _LongColumns(codes=codes, values=values, units=units)


def pivoted(reader: TableReader, contract: Contract) -> ReshapedReader | None:
    """The wide table of a long file; None when its headings are not those of one."""
    places = _long_columns(reader.header, contract)
    if places is None:
        return None
    claimed = map_columns(reader.header, contract).fields | set(contract.primary_key)
    fields = {
        squeezed(heading): field.name
        for field in contract.fields
        if field.name not in claimed
        for heading in field.headings
    }
    seen = _fields_named(reader, places.codes, fields)
    added = [name for name in contract.field_names if seen[name]]
    used = {places.codes, places.values} | ({places.units} if places.units is not None else set())
    return ReshapedReader(
        reader,
        added=added,
        consumed=frozenset(used),
        about={
            "how": "pivot",
            "codes": reader.header[places.codes],
            "values": reader.header[places.values],
            "fields": {name: seen[name] for name in added},
        },
        turn=lambda batch: _to_wide(batch, places, fields, added, contract.name),
    )


def _fields_named(reader: TableReader, codes: int, fields: Mapping[str, str]) -> Counter[str]:
    """How many records name each field. Reads the file once."""
    seen: Counter[str] = Counter()
    for batch in reader.batches():
        named = read_distinct(batch.columns[codes], lambda text: fields.get(squeezed(text)))
        for name, count in named.counted():
            if name is not None:
                seen[name] += count
    return seen


def _to_wide(
    batch: TextBatch,
    places: _LongColumns,
    fields: Mapping[str, str],
    added: Sequence[str],
    contract: str,
) -> TextBatch:
    """Each record with its value in the column of its field; records that name none are bad."""
    named = read_distinct(batch.columns[places.codes], lambda text: fields.get(squeezed(text)))
    groups = named.group(lambda name: name)
    values = batch.columns[places.values]
    if places.units is not None:
        units = pc.utf8_trim_whitespace(batch.columns[places.units])
        empty = pc.or_(pc.equal(units, ""), pc.equal(pc.utf8_trim_whitespace(values), ""))
        values = pc.if_else(empty, values, pc.binary_join_element_wise(values, units, " "))
    columns = list(batch.columns)
    is_known = np.zeros(len(batch.records), dtype=bool)
    for name in added:
        here = np.zeros(len(batch.records), dtype=bool)
        here[groups.get(name, np.empty(0, dtype=np.int64))] = True
        is_known |= here
        columns.append(pc.if_else(pa.array(here), values, ""))
    kept, unknown = np.flatnonzero(is_known), np.flatnonzero(~is_known)
    return TextBatch(
        columns=[column.take(pa.array(kept)) for column in columns],
        records=batch.records[kept],
        lines=batch.lines[kept],
        raw=lambda at: batch.raw(int(kept[at])),
        bad=sorted(
            [*batch.bad, *(_unknown(batch, int(at), contract) for at in unknown)],
            key=lambda bad: bad.record,
        ),
        skipped=batch.skipped,
        place=batch.place,
        faults=batch.faults,
    )


def _unknown(batch: TextBatch, at: int, contract: str) -> BadRecord:
    return BadRecord(
        record=int(batch.records[at]),
        line=int(batch.lines[at]),
        raw=batch.raw(at),
        code=RowCode.CODE_UNKNOWN,
        sentence=f"No field of {contract} has the name that says what this value is.",
    )

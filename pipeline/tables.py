"""Which of the tables in a file is meant: the one whose columns a mapping or a contract knows.

A workbook has a cover and a hidden sheet, a JSON document lists beside its records. What is left
over is told; where several fit, somebody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping as Named
from collections.abc import Sequence

from pipeline.contract.loading import Contract
from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import (
    ReadAs,
    TableName,
    TableReader,
    UnclearLayout,
    at_table,
    tables_of,
)
from pipeline.mapping.by_name import choose_contract, map_columns
from pipeline.mapping.confirmed import labels_fit
from pipeline.mapping.model import Mapping
from pipeline.messages import HarmonizeTask
from pipeline.opening import open_as, prepared
from pipeline.reshape.wide_long import map_reshaped

_MOST_LOOKED_AT = 50


def open_table_of(
    task: HarmonizeTask,
    read_as: ReadAs | None,
    contracts: Named[str, Contract],
    mappings: Sequence[Mapping],
) -> TableReader:
    """Open the task's file at the table that is meant.

    Raises:
        ContentError, TransientError: as `open_table`.
        UnclearLayout: TABLE_UNCLEAR when several tables fit equally well.
    """
    raw = open_as(task, read_as)
    names = tables_of(raw)
    if len(names) < 2 or (read_as is not None and read_as.table is not None):
        return raw
    known = contracts if task.contract is None else _only(contracts, task.contract)
    fitting: list[tuple[TableName, TableReader]] = []
    for name in names[:_MOST_LOOKED_AT]:
        reader = _opened(raw, name)
        if reader is not None and _fits(reader, known, mappings):
            fitting.append((name, reader))
    fitting = [one for one in fitting if "hidden" not in one[0].about] or fitting
    if len(fitting) > 1:
        raise _unclear([name for name, _ in fitting])
    return fitting[0][1] if fitting else raw


def _only(contracts: Named[str, Contract], name: str) -> dict[str, Contract]:
    return {name: contracts[name]} if name in contracts else {}


def _opened(raw: TableReader, name: TableName) -> TableReader | None:
    try:
        return at_table(raw, name.name)
    except ContentError:
        return None


def _fits(
    reader: TableReader, contracts: Named[str, Contract], mappings: Sequence[Mapping]
) -> bool:
    """Whether a table has the columns of a confirmed mapping, or all that a contract requires."""
    if any(mapping.fields and labels_fit(mapping, reader.header) for mapping in mappings):
        return True
    columns = {}
    for name, contract in contracts.items():
        try:
            ready = prepared(reader, contract, None)
            columns[name] = map_reshaped(ready.reader.header, contract, ready.consumed)
        except ContentError:
            columns[name] = map_columns(reader.header, contract)
    try:
        choose_contract(reader.header, contracts, columns)
    except ContentError as error:
        return error.code is FileCode.SCHEMA_AMBIGUOUS
    return True


def _unclear(names: Sequence[TableName]) -> UnclearLayout:
    told = ", ".join(f"{one.name} ({one.about})" for one in names)
    return UnclearLayout(
        FileCode.TABLE_UNCLEAR,
        f"several of its tables have the columns of a contract: {told}",
        key="table",
        guess=ReadAs(table=names[0].name),
        answers={one.name: f"read {one.name} ({one.about})" for one in names},
    )

"""A file opened as a mapping says, and its table as a contract wants it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from pipeline.contract.loading import Contract
from pipeline.footer import ConstantsReader, FooterReader
from pipeline.formats import open_table
from pipeline.formats.base import ReadAs, TableReader
from pipeline.mapping.model import Mapping
from pipeline.messages import HarmonizeTask
from pipeline.reshape.reshaped import consumed_by
from pipeline.reshape.wide_long import reshaped
from pipeline.rows.padding import PaddedReader


def reading_of(mapping: Mapping) -> ReadAs:
    """What a mapping says about how the text is read."""
    dialect = mapping.dialect
    encoding = mapping.encoding
    return ReadAs(
        encoding=None if encoding is None or mapping.repairs else codecs.lookup(encoding).name,
        delimiter=dialect.delimiter,
        header=dialect.header,
        header_rows=dialect.header_rows,
        header_join=dialect.header_join,
        comment_rows=dialect.comment_rows,
        unnamed=dialect.unnamed,
        names=() if dialect.header else mapping.labels,
        table=dialect.table,
        spans=dialect.spans,
        counted=dialect.counted,
    )


def open_as(task: HarmonizeTask, read_as: ReadAs | None) -> TableReader:
    """Open the task's file.

    Raises:
        ContentError, TransientError: as `open_table`.
    """
    path = Path(task.source)
    if read_as is None or not read_as.is_told:
        return open_table(path, task.limits)
    return open_table(path, task.limits, read_as)


def agrees(reader: TableReader, told: ReadAs) -> bool:
    """True when a reader that found out for itself reads as somebody told."""
    found = reader.describe()
    return (
        told.delimiter in (None, found.get("delimiter"))
        and told.encoding in (None, found.get("encoding"))
        and told.header
        and not told.spans
        and told.header_rows in ((), (found.get("header_line"),))
        and told.unnamed is None
        and told.table in (None, found.get("table"))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A table as its contract wants it.

    consumed: places of columns that are read in another way than as one field each. footer: the
    part that leaves out records at the end, if there is one.
    """

    reader: TableReader
    consumed: frozenset[int] = frozenset()
    footer: FooterReader | None = None


def prepared(
    reader: TableReader, contract: Contract, mapping: Mapping | None, footer: int = 0
) -> Prepared:
    """The table without its footer, short rows filled up, turned and completed as is due."""
    dropping = FooterReader(reader, footer) if footer else None
    reader = reader if dropping is None else dropping
    if contract.policy.missing_cell == "null":
        reader = PaddedReader(reader)
    reader = reshaped(reader, contract)
    consumed = consumed_by(reader)
    if mapping is not None and mapping.constants:
        reader = ConstantsReader(reader, mapping.constants)
    return Prepared(reader=reader, consumed=consumed, footer=dropping)

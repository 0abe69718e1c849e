"""Cells that their own format says are no proper values: an error of a spreadsheet, a lost digit.

The reader notes them; here they meet the fields that would be fed by them.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RowCode
from pipeline.formats.base import TextBatch
from pipeline.plan import Plan
from pipeline.rows.rowsplit import SplitRows
from pipeline.sheet import Sheet
from pipeline.standardize.base import Rows

_Kind = tuple[RowCode, str, bool]


def faults_of(batch: TextBatch, position: int) -> dict[_Kind, Rows]:
    """Rows of a batch whose cell in a column is at fault: by code, sentence, and if it refuses."""
    found: defaultdict[_Kind, set[int]] = defaultdict(set)
    for fault in batch.faults:
        if fault.column == position:
            found[fault.code, fault.sentence, fault.refuses].add(fault.record)
    return {
        kind: np.flatnonzero(np.isin(batch.records, sorted(records)))
        for kind, records in found.items()
    }


def without_faults(cells: pa.StringArray, batch: TextBatch, position: int) -> pa.StringArray:
    """The cells, null where what stands there is no value: its fault is told once, by its name."""
    if not batch.faults:
        return cells
    refused = [rows for (_, _, refuses), rows in faults_of(batch, position).items() if refuses]
    if not refused:
        return cells
    is_kept = np.ones(len(cells), dtype=np.bool_)
    is_kept[np.concatenate(refused)] = False
    return pc.if_else(pa.array(is_kept), cells, pa.scalar(None, pa.string()))


def note_faults(sheet: Sheet, batch: TextBatch, plan: Plan, split: SplitRows) -> None:
    """Refuse or mark the rows whose fields are fed by cells at fault."""
    for column in plan.columns:
        for (code, sentence, refuses), rows in faults_of(batch, column.position).items():
            note = sheet.refuse if refuses else sheet.mark
            note(split.rows_of(rows), column.field, code, sentence)

"""Rows made of several: rules over several fields are asked again, of what came together.

A rule that meets an empty field passes, so each part may pass where the whole does not (a systolic
pressure from one row, a higher diastolic one from another). Then no part is believed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Any

import pyarrow as pa

from pipeline.check import check_rows, sentence_of
from pipeline.contract.loading import Contract
from pipeline.errors import RowCode
from pipeline.formula.evaluate import Moment
from pipeline.rows.dedupe import Batches, KeyReject, Resolution


def check_merged(
    batches: Batches, resolution: Resolution, contract: Contract, moment: Moment
) -> Counter[str]:
    """Ask the contract's checks about every row that took something over from others.

    Where one does not hold, the row and those merged into it are rejected in `resolution`.
    Returns how many merged rows each check with severity warning marks.
    """
    marked: Counter[str] = Counter()
    if not contract.checks or not resolution.filled:
        return marked
    start = 0
    filled = sorted(resolution.filled)
    for batch in batches():
        low, high = bisect_left(filled, start), bisect_left(filled, start + batch.num_rows)
        places = filled[low:high]
        if places:
            columns = _taken_together(batch, start, places, resolution, contract)
            findings = check_rows(columns, contract, moment)
            sentences = {check.id: sentence_of(check) for check in contract.checks}
            for check_id, rows in findings.bad.items():
                for row in rows.tolist():
                    _reject(places[row], sentences[check_id], contract, resolution)
            marked.update({check_id: len(rows) for check_id, rows in findings.marked.items()})
        start += batch.num_rows
    return marked


def _taken_together(
    batch: pa.RecordBatch,
    start: int,
    places: list[int],
    resolution: Resolution,
    contract: Contract,
) -> dict[str, pa.Array]:
    rows = batch.take(pa.array([at - start for at in places])).select(list(contract.field_names))
    cells: list[dict[str, Any]] = rows.to_pylist()
    for row, at in zip(cells, places, strict=True):
        row.update(resolution.filled[at])
    whole = pa.RecordBatch.from_pylist(cells, schema=rows.schema)
    return dict(zip(whole.schema.names, whole.columns, strict=True))


def _reject(at: int, sentence: str, contract: Contract, resolution: Resolution) -> None:
    why = KeyReject(
        code=RowCode.ROW_CONSTRAINT,
        fields=contract.primary_key or ("",),
        sentence=f"Taken together, the rows of this key break a rule: {sentence}",
    )
    for position in (at, *resolution.merged[at]):
        resolution.dropped[position] = False
        resolution.rejected[position] = why
    resolution.filled.pop(at, None)

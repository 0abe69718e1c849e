"""Every changed cell with its reason: what `changes.csv` holds, and the words people read.

A change that cannot be told apart from the value as it came is no change: a cell stands here only
when a reason for it was noted where it was changed.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.contract.loading import Contract
from pipeline.formats.base import TextBatch
from pipeline.messages import OutputFile
from pipeline.outputs.files import HashingFile, csv_line
from pipeline.plain import Kept
from pipeline.plan import Plan
from pipeline.sheet import Sheet

HEADER = ("record", "line", "field", "change", "reason", "before", "after")
CHANGES = "_changes"
"""Column of an applied batch that says what was changed in each row. No field is called so."""


@dataclass(frozen=True, slots=True)
class Reason:
    """kind: CLEANED, NULLED, CONVERTED, SPLIT or FILLED. words: what was done, for people."""

    kind: str
    words: str


REASONS: dict[str, Reason] = {
    "trimmed": Reason("CLEANED", "space around the value taken away"),
    "nfc": Reason("CLEANED", "letters with marks written in one way (Unicode NFC)"),
    "zero-width": Reason("CLEANED", "invisible characters taken out"),
    "control-removed": Reason("CLEANED", "control characters taken out"),
    "text-repaired": Reason("CLEANED", "wrongly decoded letters put right, as the mapping says"),
    "missing-word": Reason("NULLED", "a word for “no value” made empty"),
    "row-split": Reason("SPLIT", "one record with several values made several rows"),
    "text-split": Reason("SPLIT", "a result in words moved to its own field"),
    "comparator-split": Reason("SPLIT", "< or > before the number moved to its own field"),
    "unit-split": Reason("SPLIT", "the unit behind the number moved to its own field"),
    "date-reformatted": Reason("CONVERTED", "date written as YYYY-MM-DD (ISO 8601)"),
    "century-added": Reason("CONVERTED", "two-digit year given its century"),
    "time-added": Reason("CONVERTED", "date without time taken as the beginning of its day"),
    "timezone-added": Reason("CONVERTED", "time given the offset of its time zone"),
    "fraction-shortened": Reason("CONVERTED", "fraction of a second shortened"),
    "number-reformatted": Reason("CONVERTED", "number written with a point and without groups"),
    "scientific-notation": Reason("CONVERTED", "number written out (1E3 as 1000)"),
    "fraction-of-zero-dropped": Reason("CONVERTED", "whole number written without .0"),
    "boolean-mapped": Reason("CONVERTED", "word for yes or no written as true or false"),
    "code-mapped": Reason("CONVERTED", "name replaced by its code"),
    "value-mapped": Reason("CONVERTED", "value replaced as the confirmed mapping says"),
    "unit-respelled": Reason("CONVERTED", "unit written in UCUM"),
    "unit-converted": Reason("CONVERTED", "value converted to the field's unit"),
    "phone-reformatted": Reason("CONVERTED", "telephone number written in international form"),
    "float-repaired": Reason("CONVERTED", "telephone number that had become a decimal number"),
    "domain-lower-cased": Reason("CONVERTED", "e-mail domain in lower case"),
    "postal-code-reformatted": Reason("CONVERTED", "postal code in its usual form"),
    "merged": Reason("FILLED", "taken over from another row with the same key"),
}


def reason_of(name: str) -> Reason:
    """Kind and words of a reason; one without an entry speaks for itself."""
    return REASONS.get(name) or Reason("CONVERTED", name.replace("-", " "))


def counted_changes(changed: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """How many cells of each field were changed, by reason, as plain data."""
    return [
        _counted(name, reason, cells)
        for name, reasons in changed.items()
        for reason, cells in reasons.items()
    ]


@lru_cache(maxsize=4_096)
def _counted(name: str, reason: str, cells: int) -> Kept:
    return Kept({"field": name, "change": reason_of(reason).kind, "reason": reason, "cells": cells})


def change_column(sheet: Sheet, batch: TextBatch, plan: Plan, contract: Contract) -> pa.StringArray:
    """For each row of the sheet its changes as JSON, null where it has none.

    An entry is [field, reasons, cell as it stood], in the contract's order; restricted fields
    leave out the cell.
    """
    hidden = contract.privacy.restricted
    order = {name: place for place, name in enumerate(contract.field_names)}
    reasons: dict[int, dict[str, list[str]]] = {}
    for change in sorted(sheet.changes, key=lambda change: order[change.field]):
        for row in change.rows.tolist():
            known = reasons.setdefault(row, {}).setdefault(change.field, [])
            if change.reason not in known:
                known.append(change.reason)
    positions = {column.field: column.position for column in plan.columns}

    def before(row: int, name: str) -> str:
        position = positions.get(name)
        if position is None or name in hidden:
            return ""
        return str(batch.columns[position][int(sheet.origin[row])].as_py())

    entries = [
        json.dumps([[name, why, before(row, name)] for name, why in reasons[row].items()])
        if row in reasons
        else None
        for row in range(sheet.count)
    ]
    return pa.array(entries, pa.string())


class ChangesFile:
    """`changes.csv`: one line for each changed cell of the delivered rows, in their order."""

    def __init__(self, path: Path, hidden: Container[str]) -> None:
        self._file = HashingFile(path)
        self._hidden = hidden
        self._file.write(csv_line(HEADER))

    def write(
        self, rows: pa.RecordBatch, places: pa.RecordBatch, filled: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Append the changes of delivered rows.

        rows: as delivered. places: the same rows' record, line and CHANGES columns, in that order.
        filled: by row, what was taken over from others.
        """
        records, lines, changes = (column.to_pylist() for column in places.columns)
        texts: dict[str, list[str | None]] = {}
        for at, noted in enumerate(changes):
            entries = json.loads(noted) if noted is not None else []
            entries += [[name, ["merged"], ""] for name in filled.get(at, {})]
            for name, reasons, before in entries:
                if name not in texts:
                    texts[name] = rows.column(name).cast(pa.string()).to_pylist()
                after = "" if name in self._hidden else texts[name][at]
                kinds = dict.fromkeys(reason_of(reason).kind for reason in reasons)
                self._file.write(
                    csv_line(
                        (
                            records[at],
                            lines[at],
                            name,
                            " ".join(kinds),
                            " ".join(reasons),
                            before,
                            after,
                        )
                    )
                )

    def finish(self) -> OutputFile:
        """Make the file durable and close it."""
        return self._file.finish()

    def discard(self) -> None:
        """Close a file that will not be delivered."""
        self._file.discard()

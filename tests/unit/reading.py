"""A file opened and read to its end, for tests of readers."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ContentError, FileCode
from pipeline.formats import open_table, registry
from pipeline.formats.base import BadRecord, CellFault, ReadAs, TableName, tables_of
from pipeline.messages import Limits


@dataclass
class Read:
    """What a reader gave: rows of text, where they stand, what was wrong."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    records: list[int]
    lines: list[int]
    places: list[str]
    raws: list[str]
    bad: list[BadRecord]
    faults: list[CellFault]
    skipped: dict[str, int]
    about: dict[str, Any]
    tables: tuple[TableName, ...]

    def column(self, label: str) -> list[str]:
        at = self.header.index(label)
        return [row[at] for row in self.rows]

    @property
    def told(self) -> str:
        return " | ".join(self.about["evidence"])


class Reader:
    """Reads contents written to one folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "table"

    def read(self, content: bytes | str, limits: Limits | None = None, **told: Any) -> Read:
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        reader = open_table(self.path, limits or Limits(), ReadAs(**told) if told else None)
        found = Read(
            header=reader.header,
            rows=[],
            records=[],
            lines=[],
            places=[],
            raws=[],
            bad=[],
            faults=[],
            skipped={},
            about=reader.describe(),
            tables=tables_of(reader),
        )
        for batch in reader.batches():
            found.rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
            found.records += batch.records.tolist()
            found.lines += batch.lines.tolist()
            found.raws += [batch.raw(at) for at in range(len(batch.records))]
            found.bad += batch.bad
            found.faults += batch.faults
            for reason, count in batch.skipped.items():
                found.skipped[reason] = found.skipped.get(reason, 0) + count
            if batch.place is not None:
                pairs = zip(batch.records.tolist(), batch.lines.tolist(), strict=True)
                found.places += [batch.place(record, line, 0) for record, line in pairs]
        return found

    def refusal(self, content: bytes | str, limits: Limits | None = None) -> ContentError:
        try:
            found = self.read(content, limits)
        except ContentError as error:
            return error
        raise AssertionError(f"it was read: {found.header}, {len(found.rows)} rows")

    def code(self, content: bytes | str, limits: Limits | None = None) -> FileCode:
        return self.refusal(content, limits).code


def plug(monkeypatch: pytest.MonkeyPatch, name: str, target: str) -> None:
    """Make a reader of another package known, as its entry point would."""
    point = EntryPoint(name, target, registry.ENTRY_POINTS)

    def points(**_group: Any) -> list[EntryPoint]:
        return [point]

    monkeypatch.setattr(registry, "entry_points", points)
    registry._others.cache_clear()
    monkeypatch.setattr(registry, "_others", registry._others.__wrapped__)

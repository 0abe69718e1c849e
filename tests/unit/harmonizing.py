"""A desk to harmonize small files on: write a contract and a file, get back what was delivered."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from pipeline.contract import BUILT_IN
from pipeline.errors import ContentError
from pipeline.harmonize import harmonize_file, plan_file
from pipeline.messages import HarmonizeResult, HarmonizeTask
from pipeline.plan import Plan

NOW_S = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()

Row = dict[str, str]


@dataclass(frozen=True)
class Delivered:
    """A result and what the files beside it hold."""

    result: HarmonizeResult
    staging: Path

    @property
    def rows(self) -> list[Row]:
        return read(self.staging / f"{self.result.contract}.csv")

    @property
    def rejects(self) -> list[Row]:
        return read(self.staging / "rejects.csv")

    @property
    def reasons(self) -> list[tuple[int, str, str]]:
        return [(int(one["record"]), one["field"], one["code"]) for one in self.rejects]

    @property
    def report(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.staging / "report.json").read_text())
        return document

    def column(self, name: str) -> list[str]:
        return [row[name] for row in self.rows]


@dataclass
class Desk:
    """`contracts` is the built-in set unless `contract` gives the text of one of your own."""

    folder: Path
    contracts: Path = BUILT_IN
    numbers: Iterator[int] = field(default_factory=count)

    def contract(self, text: str) -> Desk:
        self.contracts = self.folder / "contracts"
        self.contracts.mkdir(exist_ok=True)
        (self.contracts / "table.contract.yaml").write_text(text, encoding="utf-8")
        return self

    def task(self, content: str | bytes, **more: Any) -> HarmonizeTask:
        number = next(self.numbers)
        source = self.folder / f"source-{number}"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        staging = self.folder / f"staging-{number}"
        staging.mkdir()
        task = HarmonizeTask(
            source=str(source),
            staging_dir=str(staging),
            contracts_dir=str(self.contracts),
            job="j1",
            now_s=NOW_S,
        )
        return replace(task, **more)

    def harmonize(self, content: str | bytes, **more: Any) -> Delivered:
        task = self.task(content, **more)
        return Delivered(harmonize_file(task), Path(task.staging_dir))

    def plan(self, content: str | bytes, **more: Any) -> Plan:
        return plan_file(self.task(content, **more))

    def refuse(self, content: str | bytes, **more: Any) -> tuple[ContentError, Path]:
        task = self.task(content, **more)
        try:
            result = harmonize_file(task)
        except ContentError as error:
            return error, Path(task.staging_dir)
        raise AssertionError(f"the file was delivered: {result.counts}")


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))

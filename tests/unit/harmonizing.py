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

from pipeline.contract.loading import BUILT_IN, load_contracts
from pipeline.errors import ContentError
from pipeline.harmonize import harmonize_file, plan_file
from pipeline.mapping.files import load_mapping, next_name, parse_mapping
from pipeline.mapping.model import Mapping
from pipeline.mapping.text import confirmed_text
from pipeline.messages import HarmonizeResult, HarmonizeTask
from pipeline.plan import Plan
from pipeline.review.answers import apply_answers

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


@dataclass(frozen=True)
class Held:
    """A file that waits for answers: what went back, and what people get to see."""

    result: HarmonizeResult
    staging: Path

    @property
    def code(self) -> str:
        assert self.result.question_code is not None
        return self.result.question_code

    @property
    def asked(self) -> str:
        return (self.staging / "questions.txt").read_text(encoding="utf-8")

    @property
    def text(self) -> str:
        return (self.staging / "mapping.proposed.yaml").read_text(encoding="utf-8")

    @property
    def proposal(self) -> Mapping:
        mapping, problems = parse_mapping("mapping.proposed.yaml", self.text.encode())
        assert mapping is not None, problems
        return mapping

    @property
    def keys(self) -> list[str]:
        return [question.key for question in self.proposal.questions]


@dataclass
class Desk:
    """`contracts` is the built-in set unless `contract` gives the text of one of your own.

    Confirmed mappings lie in `mappings` and count for every later file.
    """

    folder: Path
    contracts: Path = BUILT_IN
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def mappings(self) -> Path:
        folder = self.folder / "mappings"
        folder.mkdir(exist_ok=True)
        return folder

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
            mappings_dir=str(self.mappings),
        )
        return replace(task, **more)

    def harmonize(self, content: str | bytes, **more: Any) -> Delivered:
        task = self.task(content, **more)
        result = harmonize_file(task)
        assert not result.questions, result.questions
        return Delivered(result, Path(task.staging_dir))

    def hold(self, content: str | bytes, **more: Any) -> Held:
        task = self.task(content, **more)
        result = harmonize_file(task)
        assert result.questions, f"the file was delivered: {result.counts}"
        return Held(result, Path(task.staging_dir))

    def confirm(self, held: Held, **answers: str) -> Path:
        """Say yes to a proposal; `answers` by key, with `__` for a colon."""
        return self.answer(held, {key.replace("__", ":"): one for key, one in answers.items()})

    def answer(self, held: Held, answers: dict[str, str]) -> Path:
        contracts = load_contracts(self.contracts)
        mapping = apply_answers(held.proposal, answers, contracts)
        assert not mapping.open_questions, [one.key for one in mapping.open_questions]
        text = confirmed_text(
            held.text, mapping, by="amy", at="2026-11-21T12:00:00+00:00", layout=held.result.layout
        )
        names = [path.name for path in self.mappings.iterdir()]
        path = self.mappings / next_name(mapping.source, names)
        path.write_text(text, encoding="utf-8")
        load_mapping(path, contracts)
        return path

    def plan(self, content: str | bytes, **more: Any) -> Plan:
        return plan_file(self.task(content, **more))

    def refuse(self, content: str | bytes, **more: Any) -> tuple[ContentError, Path]:
        task = self.task(content, **more)
        try:
            result = harmonize_file(task)
        except ContentError as error:
            return error, Path(task.staging_dir)
        raise AssertionError(f"the file was not refused: {result.counts}, {result.questions}")


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))

"""Corrected rejects become a delivery of their own, read by the plan of the file they come from.

Where that file was delivered, only the rows that came back are read. Where it was refused as a
whole, it is read as a whole, with the corrections in their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.apply import RECORD, Applier
from pipeline.contract.loading import Contract, load_contracts
from pipeline.corrections.already import AlreadyDelivered
from pipeline.corrections.corrected import CorrectedReader, read_returned
from pipeline.corrections.rejectfile import job_in
from pipeline.delivery import Delivery
from pipeline.errors import ContentError, FileCode
from pipeline.explain import Explainer
from pipeline.formats.base import TableReader
from pipeline.messages import HarmonizeResult, HarmonizeTask, PastFile
from pipeline.outputs.rejects import Source
from pipeline.outputs.report import Tally
from pipeline.plan import Plan
from pipeline.references import referred_fields
from pipeline.replay import contract_as_planned, moment_of, open_as_planned, report_of
from pipeline.reshape.reshaped import source_header
from pipeline.rows.keyrules import key_rules


def correct_file(task: HarmonizeTask, job: str, about: dict[str, Any]) -> HarmonizeResult:
    """Harmonize corrected rejects of `job`. `about` is what is known of the dropped file's bytes.

    Raises:
        ContentError: CORRECTION_MISFIT when they cannot be put in their place; or as
            `harmonize_file`.
    """
    past = _Past.of(task, job)
    return Delivery(
        task=task,
        source=about,
        reader=past.corrected(Path(task.source)),
        contract=past.contract,
        plan=past.plan,
        moment=moment_of(task.now_s, past.contract),
        key_groups=referred_fields(
            past.contract, load_contracts(Path(task.contracts_dir)).values()
        ),
        already=AlreadyDelivered(rules=key_rules(past.contract), past=past.delivered),
        corrects=job,
        is_partial=past.is_delivered,
    ).make()


def explainer_of(task: HarmonizeTask, past: PastFile) -> tuple[Explainer, list[str]]:
    """What explains the rows of a past attempt, and notes on what has changed since.

    `task` names the original and, when that holds corrected rejects, their parent.

    Raises:
        ContentError: CORRECTION_MISFIT when the contract or the parent is not there any more.
        OSError, ValueError: the report cannot be read.
    """
    report = report_of(past)
    plan = Plan.from_dict(report["plan"])
    contract = contract_as_planned(plan, Path(task.contracts_dir))
    job = job_in(Path(past.source))
    if job is None:
        reader = open_as_planned(Path(past.source), plan, contract, task.limits)
        is_partial = False
    else:
        parent = _Past.of(task, job)
        reader, is_partial = parent.corrected(Path(past.source)), parent.is_delivered
    is_changed = contract.sha256 != plan.contract_sha256
    note = f"the contract {contract.name} was changed since; its rules of today are shown"
    explainer = Explainer(
        reader=reader,
        contract=contract,
        plan=plan,
        moment=moment_of(report["now_s"], contract),
        rejected=lambda record: any(
            first <= record <= last for first, last in report["rejected_records"]
        ),
        is_partial=is_partial,
    )
    return explainer, [note] if is_changed else []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """The file whose rejects came back, and what was delivered of it so far."""

    task: HarmonizeTask
    parent: PastFile
    report: dict[str, Any]
    plan: Plan
    contract: Contract

    @classmethod
    def of(cls, task: HarmonizeTask, job: str) -> _Past:
        if not job or task.parent is None:
            what = f"of {job}" if job else "of the job it belongs to, which it does not name"
            raise ContentError(FileCode.CORRECTION_MISFIT, f"nothing is kept {what}")
        try:
            report = report_of(task.parent)
            plan = Plan.from_dict(report["plan"])
        except (OSError, ValueError, KeyError, TypeError):
            note = f"the plan of {job} cannot be read"
            raise ContentError(FileCode.CORRECTION_MISFIT, note) from None
        if report.get("job") != job:
            raise ContentError(FileCode.CORRECTION_MISFIT, f"what is kept of {job} is another job")
        contract = contract_as_planned(plan, Path(task.contracts_dir))
        return cls(task=task, parent=task.parent, report=report, plan=plan, contract=contract)

    @property
    def is_delivered(self) -> bool:
        """True when the file's good rows are out already."""
        return self.report.get("refused") is None

    def corrected(self, returned_file: Path) -> TableReader:
        """The original with the corrections of one file in their place."""
        original = self._open()
        labels = source_header(original)
        source = Source(
            job=self.report["job"],
            labels=labels,
            delimiter=original.describe().get("delimiter"),
            has_places=bool(original.describe().get("places")),
            commas=frozenset(
                one.position
                for one in self.plan.columns
                if one.decision.get("decimal") == "," and one.label in labels[one.position :][:1]
            ),
        )
        returned = read_returned(returned_file, source, self.task.limits)
        return open_as_planned(
            Path(self.parent.source),
            self.plan,
            self.contract,
            self.task.limits,
            lambda reader: CorrectedReader(reader, returned, only=self.is_delivered),
        )

    def delivered(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Every row that was delivered of the file, by itself or by earlier corrections."""
        if self.is_delivered:
            yield from self._rows(self._open(), self.report)
        for sibling in self.task.siblings:
            yield from self._rows(self.corrected(Path(sibling.source)), report_of(sibling))

    def _open(self) -> TableReader:
        source = Path(self.parent.source)
        return open_as_planned(source, self.plan, self.contract, self.task.limits)

    def _rows(
        self, reader: TableReader, report: dict[str, Any]
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        moment = moment_of(report["now_s"], self.contract)
        applier = Applier(self.contract, self.plan, moment, Tally())
        ranges = np.array(report["rejected_records"], dtype=np.int64).reshape(-1, 2)
        for batch in reader.batches():
            rows = applier.apply(batch).rows
            records = np.asarray(rows.column(RECORD))
            place = np.searchsorted(ranges[:, 0], records, side="right") - 1
            is_rejected = (
                (place >= 0) & (records <= ranges[np.maximum(place, 0), 1])
                if len(ranges)
                else np.zeros(len(records), dtype=bool)
            )
            yield report["job"], rows.filter(pa.array(~is_rejected))

"""A file that was planned before is opened again and read exactly as its plan says.

Whatever explains or corrects a past delivery starts here, from the original as it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.contract.loading import Contract, load_contracts
from pipeline.errors import ContentError, FileCode
from pipeline.footer import ConstantsReader, FooterReader
from pipeline.formats import open_table
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formula.evaluate import Moment
from pipeline.kinds import kind_of
from pipeline.messages import Limits, PastFile
from pipeline.plan import Plan
from pipeline.reshape.wide_long import reshaped
from pipeline.rows.padding import PaddedReader

Wrap = Callable[[TableReader], TableReader]


def report_of(past: PastFile) -> dict[str, Any]:
    """What is kept of a past attempt's report: at least its job, moment, contract and plan.

    Raises:
        OSError, ValueError: it is not there, or is no report.
    """
    document = json.loads(Path(past.report).read_bytes())
    report = document.get("report", document) if isinstance(document, dict) else None
    if not isinstance(report, dict) or "plan" not in report:
        raise ValueError("there is no report with a plan")
    return report


def contract_as_planned(plan: Plan, contracts_dir: Path) -> Contract:
    """The contract a plan was made for, if it still reads the plan's columns in the same way.

    Raises:
        ContentError: CORRECTION_MISFIT when it does not, or is no more.
    """
    contract = load_contracts(contracts_dir).get(plan.contract)
    if contract is None:
        raise ContentError(
            FileCode.CORRECTION_MISFIT, f"the contract {plan.contract} is not there any more"
        )
    if contract.sha256 != plan.contract_sha256:
        kinds = {field.name: kind_of(field) for field in contract.fields}
        changed = [one.field for one in plan.columns if kinds.get(one.field) != one.kind]
        if changed:
            raise ContentError(
                FileCode.CORRECTION_MISFIT,
                f"the contract {plan.contract} was changed since, in {', '.join(changed)}",
            )
    return contract


def open_as_planned(
    source: Path, plan: Plan, contract: Contract, limits: Limits, wrap: Wrap | None = None
) -> TableReader:
    """The table as the plan's first and second pass saw it.

    `wrap` may stand between the file and everything that turns its table.

    Raises:
        ContentError: CORRECTION_MISFIT when the file is not the one that was planned; or as
            `open_table`.
    """
    reader: TableReader = open_table(source, limits, _told(plan))
    if plan.footer:
        reader = FooterReader(reader, plan.footer)
    if wrap is not None:
        reader = wrap(reader)
    if contract.policy.missing_cell == "null":
        reader = PaddedReader(reader)
    reader = reshaped(reader, contract)
    if plan.constants:
        reader = ConstantsReader(reader, plan.constants)
    for column in plan.columns:
        if column.position >= len(reader.header) or reader.header[column.position] != column.label:
            raise ContentError(
                FileCode.CORRECTION_MISFIT, "the original is not the file that was planned"
            )
    return reader


def _told(plan: Plan) -> ReadAs:
    """What a person confirmed about how the file is read, as the plan keeps it."""
    told = {name: _tuples(value) for name, value in plan.reading.get("told", {}).items()}
    return ReadAs(**told)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def moment_of(now_s: float, contract: Contract) -> Moment:
    """The moment rules are held against, in the contract's own zone."""
    timezone = next((one.timezone for one in contract.fields if one.timezone), None)
    return Moment.at(now_s, timezone)

"""One file in, one result out: open, choose the contract, plan, apply. Only this composes them.

The only clock is the task's own; the same task gives the same data, rejects and rescued values,
byte for byte.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.contract import Contract, load_contracts
from pipeline.correction import correct_file
from pipeline.delivery import Delivery
from pipeline.errors import ContentError, FileCode, TransientError
from pipeline.formats import open_table
from pipeline.formats.base import TableReader
from pipeline.formula_eval import Moment
from pipeline.mapping import ColumnMapping, choose_contract
from pipeline.messages import HarmonizeResult, HarmonizeTask
from pipeline.padding import PaddedReader
from pipeline.plan import Plan
from pipeline.planning import make_plan
from pipeline.references import referred_fields
from pipeline.rejectfile import job_in
from pipeline.reshape import map_reshaped, offer_to_unpivot, reshaped
from pipeline.stopwatch import timed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A file with its contract, before anything is read but the header."""

    reader: TableReader
    contract: Contract
    mapping: ColumnMapping
    moment: Moment
    key_groups: tuple[tuple[str, ...], ...]


def harmonize_file(task: HarmonizeTask) -> HarmonizeResult:
    """Harmonize one file into `task.staging_dir`, which is empty and belongs to this attempt.

    On success every output lies there, fsynced, and the counts add up.

    Raises:
        ContentError: the file is refused. With ROWS_REJECTED, rejects.csv and report.json stay in
            the staging directory; otherwise nothing in it is of use.
        TransientError: the disk or the file could not be read or written now.
    """
    timings_s: dict[str, float] = {}
    with _storage_trouble():
        with timed(timings_s, "plan"):
            source = _fingerprint(Path(task.source))
            corrects = job_in(Path(task.source))
            if corrects is not None:
                return correct_file(task, corrects, source)
            opened = _open(task)
            plan = make_plan(opened.reader, opened.contract, opened.mapping, opened.moment)
        if plan.questions:
            raise _unsettled(plan)
        return Delivery(
            task=task,
            source=source,
            reader=opened.reader,
            contract=opened.contract,
            plan=plan,
            moment=opened.moment,
            timings_s=timings_s,
            key_groups=opened.key_groups,
        ).make()


def plan_file(task: HarmonizeTask) -> Plan:
    """Read a file and decide, but write nothing. The plan may hold open questions.

    Raises:
        ContentError: the file cannot be read as a table, or fits no contract.
        TransientError: the disk or the file could not be read now.
    """
    with _storage_trouble():
        opened = _open(task)
        return make_plan(opened.reader, opened.contract, opened.mapping, opened.moment)


def _open(task: HarmonizeTask) -> _Opened:
    contracts = load_contracts(Path(task.contracts_dir))
    reader: TableReader = open_table(Path(task.source), task.limits)
    if task.contract is None:
        reader, contract, mapping = _choose(reader, contracts)
    elif task.contract in contracts:
        contract = contracts[task.contract]
        reader = reshaped(reader, contract)
        mapping = map_reshaped(reader, contract)
    else:
        known = ", ".join(sorted(contracts))
        raise ContentError(
            FileCode.SCHEMA_UNKNOWN, f"there is no contract {task.contract}; known: {known}"
        )
    if contract.policy.missing_cell == "null":
        reader = PaddedReader(reader)
    timezone = next((one.timezone for one in contract.fields if one.timezone), None)
    return _Opened(
        reader=reader,
        contract=contract,
        mapping=mapping,
        moment=Moment.at(task.now_s, timezone),
        key_groups=referred_fields(contract, contracts.values()),
    )


def _choose(
    reader: TableReader, contracts: dict[str, Contract]
) -> tuple[TableReader, Contract, ColumnMapping]:
    """The contract that fits, and the table as that contract wants it."""
    readers = {name: reshaped(reader, contract) for name, contract in contracts.items()}
    mappings = {name: map_reshaped(readers[name], one) for name, one in contracts.items()}
    try:
        contract, mapping = choose_contract(reader.header, contracts, mappings)
    except ContentError as error:
        offer = offer_to_unpivot(reader.header)
        if offer is None:
            raise
        raise ContentError(error.code, error.note, (*error.details, offer)) from None
    return readers[contract.name], contract, mapping


def _unsettled(plan: Plan) -> ContentError:
    """The refusal of a file about which something is left to ask."""
    first = plan.questions[0]
    lines = tuple(f"{question.column}: {question.sentence}" for question in plan.questions)
    return ContentError(first.code, lines[0], lines)


def _fingerprint(path: Path) -> dict[str, Any]:
    """Digest and size of the source, for the report."""
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        return {"sha256": digest, "size_bytes": source.tell()}


@contextmanager
def _storage_trouble() -> Iterator[None]:
    """Tell trouble with the disk from trouble with the file; no path goes into the note."""
    try:
        yield
    except FileNotFoundError:
        raise TransientError(FileCode.INPUT_MISSING, "the claimed file is gone") from None
    except OSError as error:
        if error.errno == errno.ENOMEM or (error.errno is None and "memory" in str(error)):
            raise MemoryError from None  # Arrow tells it so; the disk is not at fault
        raise TransientError(FileCode.STORAGE, error.strerror or "input or output failed") from None

"""One file in, one result out: decide, then hold or deliver. Only this composes them.

The only clock is the task's own; the same task gives the same data, rejects and rescued values,
byte for byte.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.allocators import keep_little
from pipeline.contract.loading import load_contracts
from pipeline.corrections.correction import correct_file
from pipeline.corrections.rejectfile import job_in
from pipeline.deciding import decide
from pipeline.delivery import Delivery
from pipeline.errors import FileCode, TransientError
from pipeline.expand import expand_file
from pipeline.formats.source import SMALL_BYTES, held
from pipeline.messages import HarmonizeResult, HarmonizeTask
from pipeline.plan import Plan
from pipeline.references import referred_fields
from pipeline.review.hold import hold
from pipeline.stillness import changed, unchanged
from pipeline.stopwatch import timed


def harmonize_file(task: HarmonizeTask) -> HarmonizeResult:
    """Harmonize one file into `task.staging_dir`, which is empty and belongs to this attempt.

    On success every output lies there, fsynced, and the counts add up. When something is left to
    ask, nothing is delivered: the result has `questions`, and the questions, the proposed mapping
    and a page to look at lie there. Of an archive, its members lie there.

    Raises:
        ContentError: the file is refused. With ROWS_REJECTED, rejects.csv and report.json stay in
            the staging directory; otherwise nothing in it is of use.
        TransientError: the disk or the file could not be read or written now; INPUT_CHANGED when
            the file was written to meanwhile.
    """
    keep_little()
    path = Path(task.source)
    with storage_trouble(), unchanged(path), ExitStack() as reading:
        return _harmonized(task, path, reading)


def _harmonized(task: HarmonizeTask, path: Path, reading: ExitStack) -> HarmonizeResult:
    timings_s: dict[str, float] = {}
    with timed(timings_s, "plan"):
        source, content = _fingerprint(path)
        if task.sha256 not in (None, source["sha256"]):
            raise changed()  # between its claim and now
        reading.enter_context(held(path, content))
        expanded = expand_file(task)
        if expanded is not None:
            return expanded
        corrects = job_in(path, content)
        if corrects is not None:
            return correct_file(task, corrects, source)
        contracts = load_contracts(Path(task.contracts_dir))
        decision = decide(task, contracts)
    if decision.plan.questions:
        return hold(task, decision)
    result = Delivery(
        task=task,
        source=source,
        reader=decision.reader,
        contract=decision.contract,
        plan=decision.plan,
        moment=decision.moment,
        timings_s=timings_s,
        key_groups=referred_fields(decision.contract, contracts.values()),
    ).make()
    return replace(
        result,
        layout=decision.plan.layout,
        labels=decision.plan.labels,
        mapping=decision.plan.mapping,
    )


def plan_file(task: HarmonizeTask) -> Plan:
    """Read a file and decide, but write nothing. The plan may hold open questions.

    Raises:
        ContentError: the file cannot be read as a table, or fits no contract.
        TransientError: the disk or the file could not be read now.
    """
    with storage_trouble():
        return decide(replace(task, staging_dir="")).plan  # nothing is applied, nothing kept


def _fingerprint(path: Path) -> tuple[dict[str, Any], bytes | None]:
    """Digest and size of the source, for the report; and the bytes of a small one."""
    with path.open("rb") as source:
        content = source.read(SMALL_BYTES + 1)
        if len(content) <= SMALL_BYTES:
            digest = hashlib.sha256(content).hexdigest()
            return {"sha256": digest, "size_bytes": len(content)}, content
        source.seek(0)
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        return {"sha256": digest, "size_bytes": source.tell()}, None


@contextmanager
def storage_trouble() -> Iterator[None]:
    """Tell trouble with the disk from trouble with the file; no path goes into the note."""
    try:
        yield
    except FileNotFoundError:
        raise TransientError(FileCode.INPUT_MISSING, "the claimed file is gone") from None
    except OSError as error:
        if error.errno == errno.ENOMEM or (error.errno is None and "memory" in str(error)):
            raise MemoryError from None  # Arrow tells it so; the disk is not at fault
        raise TransientError(FileCode.STORAGE, error.strerror or "input or output failed") from None

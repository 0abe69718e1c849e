"""Proposes a contract from samples: what a table like these files looks like.

The proposal is written for people to prune: types from all rows, identifiers as text, code sets
where words are few and repeated, keys where values are unique, ranges as comments. It is tried on
the samples before it is handed out: they go through it without a reject, and whatever stood in the
way has become plain text with a comment that says why.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.contract.loading import load_contract
from pipeline.contract.names import squeezed
from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats import open_table
from pipeline.harmonize import harmonize_file, plan_file
from pipeline.infer.facts import ColumnFacts
from pipeline.infer.fields import propose
from pipeline.infer.keys import key_of
from pipeline.infer.model import FieldProposal, Proposal, Setting
from pipeline.infer.text import write_contract
from pipeline.messages import HarmonizeTask, Limits

_SHAPE_FAULTS = frozenset(
    code.value
    for code in (
        RowCode.MISSING_CELL,
        RowCode.EXTRA_CELL,
        RowCode.UNBALANCED_QUOTE,
        RowCode.ENCODING_ERROR,
    )
)
_KEY_FAULTS = frozenset(
    code.value for code in (RowCode.KEY_CONFLICT, RowCode.PRIMARY_KEY, RowCode.UNIQUE_ERROR)
)


def infer_contract(
    samples: Sequence[Path],
    *,
    name: str | None = None,
    timezone: str | None = None,
    now_s: float,
    limits: Limits | None = None,
    schema: str = "contract.schema.json",
) -> str:
    """The text of a contract file for tables like `samples`, which all are of one table.

    `name`: of the contract; by default made from the first file's name. `timezone`: of times that
    carry no offset. `schema`: where editors find the JSON Schema, as it shall stand in the file.

    Raises:
        ContentError: a sample cannot be read as a table, its columns cannot be told apart, or its
            text is damaged.
        TransientError: a sample could not be read now.
    """
    limits = limits or Limits()
    today = datetime.fromtimestamp(now_s, UTC).date()
    facts, delimiter = _look(samples, limits)
    setting = Setting(today=today, timezone=timezone, delimiter=delimiter)
    taken: set[str] = set()
    proposal = Proposal(
        name=name or _name_of(samples[0]),
        fields=[propose(one, at, taken, setting) for at, one in enumerate(facts)],
        rows=max((one.rows for one in facts), default=0),
        files=len(samples),
    )
    proposal.key = key_of(proposal, facts)
    ranges = _tried(proposal, samples, now_s, limits)
    for one in proposal.fields:
        if one.name in ranges and not one.is_personal:
            low, high = (end[:10] if one.type == "datetime" else end for end in ranges[one.name])
            one.notes.append(f"In the sample from {low} to {high}.")
    return write_contract(proposal, schema)


def _name_of(path: Path) -> str:
    stem = re.sub(r"[^a-z0-9]+", "_", path.name.split(".")[0].casefold()).strip("_")
    return stem if stem and stem[0].isalpha() else f"table_{stem}".rstrip("_")


def _look(samples: Sequence[Path], limits: Limits) -> tuple[list[ColumnFacts], str | None]:
    """Facts about every column, in the order of the first file; others must have its columns."""
    facts: dict[str, ColumnFacts] = {}
    delimiter = None
    for number, path in enumerate(samples):
        reader = open_table(path, limits)
        delimiter = reader.describe().get("delimiter")
        keys = [squeezed(label) for label in reader.header]
        _refuse_unclear(keys)
        if number == 0:
            facts = {
                key: ColumnFacts(label=label)
                for key, label in zip(keys, reader.header, strict=True)
            }
        elif set(keys) != set(facts):
            raise ContentError(
                FileCode.HEADER_MISMATCH,
                f"sample {number + 1} has other columns than the first; samples must be of one "
                "table",
            )
        for batch in reader.batches():
            for key, cells in zip(keys, batch.columns, strict=True):
                facts[key].observe(cells)
    if not any(one.values for one in facts.values()):
        raise ContentError(FileCode.EMPTY, "the samples have no values to learn from")
    return list(facts.values()), delimiter


def _refuse_unclear(keys: Sequence[str]) -> None:
    if "" in keys:
        note = f"column {keys.index('') + 1} has no name of letters or digits; a contract needs one"
        raise ContentError(FileCode.HEADER_MISSING, note)
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        places = [str(at + 1) for at, key in enumerate(keys) if key == twice[0]]
        raise ContentError(
            FileCode.COLUMN_CONFLICT, f"columns {' and '.join(places)} have the same name"
        )


def _tried(
    proposal: Proposal, samples: Sequence[Path], now_s: float, limits: Limits
) -> dict[str, tuple[str, str]]:
    """Send the samples through the proposal until nothing is asked and nothing is rejected.

    Returns the smallest and largest value of numbers and dates.
    """
    most_tries = 2 * len(proposal.fields) + 3  # each one takes back at least one promise
    for _ in range(most_tries):
        ranges: dict[str, tuple[str, str]] = {}
        faults: Counter[tuple[str, str]] = Counter()
        with tempfile.TemporaryDirectory(prefix="harmonizer-infer-") as folder:
            for number, path in enumerate(samples):
                task = _task(proposal, path, Path(folder) / str(number), now_s, limits)
                faults += _faults(task, proposal)
                if not faults:
                    _widen(ranges, _delivered(task, proposal))
        if not _take_back(proposal, faults):
            return ranges
    raise ContentError(FileCode.LAYOUT_UNCLEAR, "no contract was found that the samples keep")


def _task(
    proposal: Proposal, path: Path, folder: Path, now_s: float, limits: Limits
) -> HarmonizeTask:
    contracts, staging = folder / "contracts", folder / "staging"
    contracts.mkdir(parents=True)
    staging.mkdir()
    written = contracts / f"{proposal.name}.contract.yaml"
    written.write_text(write_contract(proposal, "contract.schema.json"), encoding="utf-8")
    load_contract(written)
    return HarmonizeTask(
        source=str(path.resolve()),
        staging_dir=str(staging),
        contracts_dir=str(contracts),
        job="infer",
        now_s=now_s,
        contract=proposal.name,
        limits=limits,
    )


def _faults(task: HarmonizeTask, proposal: Proposal) -> Counter[tuple[str, str]]:
    """What stands in the way, as (field, code) and how many records."""
    labels = {one.label: one.name for one in proposal.fields}
    asked: Counter[tuple[str, str]] = Counter()
    for question in plan_file(task).questions:
        if question.code is FileCode.TEXT_DAMAGED or question.column not in labels:
            raise ContentError(question.code, f"{question.column}: {question.sentence}")
        asked[labels[question.column], question.sentence] += 1
    if asked:
        return asked
    try:
        harmonize_file(task)
    except ContentError as error:
        if error.code is not FileCode.ROWS_REJECTED:
            raise
    return Counter(_rejected(Path(task.staging_dir) / "rejects.csv"))


def _rejected(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield row["field"], row["code"]


def _take_back(proposal: Proposal, faults: Counter[tuple[str, str]]) -> bool:
    """Promise less. False when nothing stood in the way that a contract could change."""
    changed = False
    for (name, code), count in sorted(faults.items()):
        if code in _SHAPE_FAULTS:
            note = f"{count} records of the sample are rejected: {code}."
            if note not in proposal.notes:
                proposal.notes.append(note)
        elif code in _KEY_FAULTS:
            changed = True
            proposal.key = ()
            for one in proposal.fields:
                one.constraints.pop("unique", None)
        elif name:
            changed = True
            _relax(proposal.field(name), code, count)
    return changed


def _relax(one: FieldProposal, code: str, count: int) -> None:
    if code == RowCode.REQUIRED.value and one.constraints.pop("required", None):
        return
    before = one.type if one.type != "string" else "what it looks like"
    is_row_code = code in {row_code.value for row_code in RowCode}
    why = (
        f"Text, because {count} of its values cannot be read as {before} ({code})."
        if is_row_code
        else f"Text until this is settled: {code}"
    )
    one.constraints.pop("unique", None)
    one.make_text(why)


def _delivered(task: HarmonizeTask, proposal: Proposal) -> dict[str, tuple[str, str]]:
    """Smallest and largest number or date of each field, as delivered."""
    kinds: dict[str, Any] = {"integer": int, "number": float, "date": str, "datetime": str}
    wanted = {one.name: kinds[one.type] for one in proposal.fields if one.type in kinds}
    found: dict[str, tuple[str, str]] = {}
    path = Path(task.staging_dir) / f"{proposal.name}.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            for name, order in wanted.items():
                text = row[name]
                if not text:
                    continue
                low, high = found.get(name, (text, text))
                found[name] = (min(low, text, key=order), max(high, text, key=order))
    return found


def _widen(ranges: dict[str, tuple[str, str]], more: dict[str, tuple[str, str]]) -> None:
    for name, (low, high) in more.items():
        known = ranges.get(name, (low, high))
        try:
            ranges[name] = (min(known[0], low, key=float), max(known[1], high, key=float))
        except ValueError:  # dates sort as text
            ranges[name] = (min(known[0], low), max(known[1], high))

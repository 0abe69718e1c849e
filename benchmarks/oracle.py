"""The job, one row at a time, as plainly as Python says it. Slow, and easy to check by reading.

python -m benchmarks.oracle SOURCE FOLDER
"""

from __future__ import annotations

import csv
import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from benchmarks import job
from benchmarks.generate import FIELDS, LABELS

Row = dict[str, str | None]
Reject = tuple[int, int, str, str]


@dataclass(slots=True)
class Outcome:
    """Rows kept so far, faults and counts."""

    rows: list[tuple[int, int, Row]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    changed: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    read: int = 0
    skipped: int = 0
    duplicate: int = 0


class Fault(Exception):
    """A cell is not what its field takes; the argument is the reject code."""


def _date(text: str) -> str:
    for form in job.DATE_FORMATS:
        try:
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007
        except ValueError:
            continue
    if re.match(job.PARTIAL_DATE, text):
        raise Fault("partial-date")
    raise Fault("impossible-date" if re.match(job.LOOKS_LIKE_DATE, text) else "type-error")


def _phone(text: str) -> str:
    found = re.match(job.PHONE, text)
    return "+1" + "".join(found.groups()) if found else text


def _zip(text: str) -> str:
    found = re.match(job.ZIP, text)
    if not found:
        raise Fault("pattern")
    return "-".join(part for part in found.groups() if part)


def _mail(text: str) -> str:
    if not re.match(job.EMAIL, text):
        raise Fault("pattern")
    local, _, domain = text.partition("@")
    return f"{local}@{domain.lower()}"


def _convert(name: str, text: str) -> str:
    if name == "birth_date":
        return _date(text)
    if name in job.CODES:
        code = job.CODES[name].get(text.lower())
        if code is None:
            raise Fault("code-unknown")
        return code
    if name == "patient_id" and not re.match(job.PATIENT_ID, text):
        raise Fault("pattern")
    reader = {"phone": _phone, "postal_code": _zip, "email": _mail}.get(name)
    return text if reader is None else reader(text)


def _read(path: Path) -> Iterator[tuple[int, int, list[str]]]:
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        next(lines)
        before = lines.line_num
        for record, cells in enumerate(lines, start=1):
            yield record, before + 1, cells
            before = lines.line_num


def _row(record: int, line: int, cells: list[str], outcome: Outcome) -> None:
    row: Row = dict.fromkeys(FIELDS)
    faults: list[tuple[str, str]] = []
    for name, raw in zip(LABELS, cells, strict=True):
        text = unicodedata.normalize("NFC", re.sub(job.INVISIBLE, "", raw).strip())
        outcome.changed[name]["cleaned"] += text != raw
        if text in job.null_words(name):
            outcome.changed[name]["missing-word"] += text != ""
            if name in ("patient_id", "family_name", "birth_date"):
                faults.append((name, "required"))
            continue
        try:
            row[name] = value = _convert(name, text)
        except Fault as fault:
            faults.append((name, str(fault)))
            continue
        outcome.changed[name]["converted"] += value != text
    birth = row["birth_date"]
    if birth is not None and birth < job.FIRST_BIRTH:
        faults.append(("birth_date", "constraint-error"))
    if birth is not None and birth > job.TODAY:
        faults.append(("", "row-constraint"))
    if faults:
        faults.sort(key=lambda fault: job.FIELD_ORDER[fault[0]])
        outcome.rejects += [(record, line, *fault) for fault in faults]
    else:
        outcome.rows.append((record, line, row))


def _settle(outcome: Outcome) -> list[Row]:
    groups: dict[str | None, list[int]] = defaultdict(list)
    for place, (_, _, row) in enumerate(outcome.rows):
        groups[row["patient_id"]].append(place)
    out: set[int] = set()
    for places in groups.values():
        if len(places) > 1:
            out |= _settle_group(places, outcome)
    return [row for place, (_, _, row) in enumerate(outcome.rows) if place not in out]


def _settle_group(places: list[int], outcome: Outcome) -> set[int]:
    """Rows of one key that leave: all but the fullest, or all where they contradict."""
    rows = [outcome.rows[place][2] for place in places]
    said = {
        name: {row[name].lower() for row in rows if row[name] is not None}  # type: ignore[union-attr]
        for name in FIELDS
    }
    wrong = [name for name in job.CONFLICT if len(said[name]) > 1]
    code = "key-conflict"
    if not wrong:
        wrong, code = [name for name in FIELDS if len(said[name]) > 1], "primary-key"
    if wrong:
        outcome.rejects += [(*outcome.rows[place][:2], wrong[0], code) for place in places]
        return set(places)
    fullest = max(rows, key=lambda row: sum(value is not None for value in row.values()))
    for row in rows:
        for name, value in row.items():
            if fullest[name] is None:
                fullest[name] = value
    outcome.duplicate += len(places) - 1
    return {place for place, row in zip(places, rows, strict=True) if row is not fullest}


def main(source: str, folder: str) -> None:
    """Do the job and write its three files."""
    outcome = Outcome()
    for record, line, cells in _read(Path(source)):
        outcome.read += 1
        if cells == list(LABELS.values()):
            outcome.skipped += 1
        else:
            _row(record, line, cells, outcome)
    rows = _settle(outcome)
    with (Path(folder) / "patients.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows([row[name] for name in FIELDS] for row in rows)
    with (Path(folder) / "rejects.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("record", "line", "field", "code"))
        in_order: list[Reject] = sorted(outcome.rejects, key=lambda reject: reject[0])
        writer.writerows(in_order)
    counts = {
        "read": outcome.read,
        "written": len(rows),
        "rejected": len({reject[0] for reject in outcome.rejects}),
        "duplicate": outcome.duplicate,
        "skipped": outcome.skipped,
        "changed": {name: dict(+counted) for name, counted in outcome.changed.items()},
    }
    (Path(folder) / "counts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""How rejects.csv begins, and how it is known again when it comes back.

Light, because the service looks at every file it takes in.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.corrections.workbookhead import ZIP_MARK, first_rows
from pipeline.outputs.spreadsheets import as_it_stood

HEADER = ("record", "line", "field", "code", "sentence", "raw")
JOB = "job"
"""Label of the column between the reasons and the cells: whose records these are."""
OURS = (*HEADER, JOB)
_KNOWN_BY = ("record", JOB)
_LEAST_OTHERS = 3
POSITION = "position"
"""Label of the column behind those, for sources whose lines do not say where a record stands."""
HEAD_BYTES = 1 << 16
_SEPARATORS = (",", ";", "\t", "|")
_JOB = re.compile(r"j[1-9][0-9]{0,17}")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def job_in(path: Path, content: bytes | None = None) -> str | None:
    """The job whose rejects the file at `path` holds, like "j42"; None when it is something else.

    Only the head of the file is read, of a workbook the head of its first sheet. A file of that
    kind that names no job gives "". content: its bytes, where they were read before.
    """
    try:
        head = _head_of(path) if content is None else content[:HEAD_BYTES]
    except OSError:
        return None  # whoever reads it next says why
    if head.startswith(ZIP_MARK):
        return _job_in(iter(first_rows(path)))
    text = head.decode(_MARKS.get(head[:2], "utf-8"), errors="replace").removeprefix("\ufeff")
    delimiter = delimiter_of(text)
    if delimiter is None:
        return None
    return _job_in(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _head_of(path: Path) -> bytes:
    with path.open("rb", buffering=0) as source:
        return source.read(HEAD_BYTES) or b""


def _job_in(rows: Iterator[list[str]]) -> str | None:
    """The job that the first row names; "" when it names none, None when they are no rejects."""
    with suppress(csv.Error, StopIteration):
        places = our_places(next(rows))
        if not places:
            return None
        place = places.get(JOB, len(HEADER))
        for row in rows:
            if any(cell.strip() for cell in row):
                job = as_it_stood(row[place].strip()) if len(row) > place else ""
                return job if _JOB.fullmatch(job) else ""
        return ""
    return None


def delimiter_of(text: str) -> str | None:
    """The separator under which the first line is the header of rejects.csv."""
    line = text.lstrip().partition("\n")[0].partition("\r")[0]
    folded = line.casefold()
    if not all(name in folded for name in _KNOWN_BY):
        return None
    for delimiter in _SEPARATORS:
        with suppress(csv.Error, StopIteration):
            labels = next(csv.reader([line], delimiter=delimiter))
            if our_places(labels):
                return delimiter
    return None


def our_places(labels: Sequence[str]) -> dict[str, int]:
    """Where our columns stand in a header of rejects.csv; empty when it is that of something else.

    In a spreadsheet columns are moved, and those that only explain are deleted: `record` and `job`
    must be there, and three of the others.
    """
    found: dict[str, int] = {}
    for place, label in enumerate(labels):
        name = label.strip().casefold()
        if name in OURS:
            found.setdefault(name, place)
    is_known = all(name in found for name in _KNOWN_BY)
    return found if is_known and len(found) >= len(_KNOWN_BY) + _LEAST_OTHERS else {}

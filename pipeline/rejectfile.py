"""How rejects.csv begins, and how it is known again when it comes back.

Light, because the service looks at every file it takes in.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.spreadsheets import as_it_stood

HEADER = ("record", "line", "field", "code", "sentence", "raw")
JOB = "job"
"""Label of the column between the reasons and the cells: whose records these are."""
OURS = (*HEADER, JOB)
POSITION = "position"
"""Label of the column behind those, for sources whose lines do not say where a record stands."""
HEAD_BYTES = 1 << 16
_SEPARATORS = (",", ";", "\t", "|")
_JOB = re.compile(r"j[1-9][0-9]{0,17}")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def job_in(path: Path) -> str | None:
    """The job whose rejects the file at `path` holds, like "j42"; None when it is something else.

    Only the head of the file is read. A file of that kind that names no job gives "".
    """
    try:
        with path.open("rb") as source:
            head = source.read(HEAD_BYTES)
    except OSError:
        return None  # whoever reads it next says why
    text = head.decode(_MARKS.get(head[:2], "utf-8"), errors="replace").removeprefix("\ufeff")
    delimiter = delimiter_of(text)
    if delimiter is None:
        return None
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    with suppress(csv.Error, StopIteration):
        next(rows)
        for row in rows:
            if any(cell.strip() for cell in row):
                job = as_it_stood(row[len(HEADER)].strip()) if len(row) > len(HEADER) else ""
                return job if _JOB.fullmatch(job) else ""
    return ""


def delimiter_of(text: str) -> str | None:
    """The separator under which the first line is the header of rejects.csv."""
    line = text.lstrip().partition("\n")[0].partition("\r")[0]
    for delimiter in _SEPARATORS:
        with suppress(csv.Error, StopIteration):
            labels = next(csv.reader([line], delimiter=delimiter))
            if is_ours(labels):
                return delimiter
    return None


def is_ours(labels: Sequence[str]) -> bool:
    """True when a header begins as that of rejects.csv does; a spreadsheet may have padded it."""
    return tuple(label.strip().casefold() for label in labels[: len(OURS)]) == OURS

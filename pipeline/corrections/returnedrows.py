"""The rows of a rejects.csv that came back: CSV of any kind, or a workbook."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pipeline.corrections.rejectfile import HEAD_BYTES, delimiter_of
from pipeline.corrections.workbookhead import ZIP_MARK
from pipeline.formats import excel, ods
from pipeline.formats.encoding import detect_encoding, utf8_chunks
from pipeline.formats.gridparts import Grids
from pipeline.formats.plugin import Head
from pipeline.messages import Limits

_DECIMAL = re.compile(r"[-+]?\d+\.\d+")


class Rows(Iterator[list[str]], Protocol):
    """Rows of text. line_num: where the last one stands, 1 for the first."""

    @property
    def line_num(self) -> int:
        """Line of a text, row of a sheet."""
        ...


def is_workbook(path: Path) -> bool:
    """True for a file that is a ZIP container."""
    with path.open("rb") as source:
        return source.read(len(ZIP_MARK)) == ZIP_MARK


def returned_rows(path: Path, limits: Limits) -> Rows:
    """The rows of the file, its header first.

    Raises:
        ContentError: ENCODING, LIMIT_EXCEEDED, DAMAGED, TRUNCATED.
    """
    if is_workbook(path):
        return _SheetRows(_grids(path, limits))
    csv.field_size_limit(max(limits.max_record_bytes, csv.field_size_limit()))
    chunks = utf8_chunks(path, detect_encoding(path), HEAD_BYTES)
    text = b"".join(chunks).decode("utf-8", errors="replace").removeprefix("\ufeff").lstrip()
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text) or ",")


def with_comma(cell: str) -> str:
    """A number of a workbook, whose sign is always the point, as a column with commas writes it."""
    return cell.replace(".", ",") if _DECIMAL.fullmatch(cell) else cell


def _grids(path: Path, limits: Limits) -> Grids:
    members = Head(data=ZIP_MARK, text=None, path=path).members
    if "content.xml" in members:
        return ods.OdsBook(path, limits, ods.NAME)
    return excel.Workbook(path, limits)


class _SheetRows:
    """The rows of the first sheet that have cells."""

    def __init__(self, grids: Grids) -> None:
        sheets: Sequence[str] = [one.name for one in grids.sheets]
        self._rows = grids.rows(sheets[0]) if sheets else iter(())
        self.line_num = 0

    def __iter__(self) -> _SheetRows:
        return self

    def __next__(self) -> list[str]:
        row = next(self._rows)
        self.line_num = row.number
        return [row.cells.get(at, "") for at in range(max(row.cells, default=-1) + 1)]

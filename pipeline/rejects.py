"""Rows that are kept out, each with its position, its text as it stood and every reason.

While the file is read they wait in a spool on disk, in source order; rows that only the end of
the file shows to be bad (two persons under one key) are merged in when `rejects.csv` is written.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pipeline.errors import RowCode
from pipeline.messages import OutputFile
from pipeline.outputs import HashingFile, csv_line
from pipeline.spreadsheet import spreadsheet_safe

HEADER = ("record", "line", "field", "code", "sentence", "raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One reason why one record is kept out.

    record, line: as in `formats.base.BadRecord`. field: the contract's field; empty when the whole
    record is meant. raw: the record's text as it stood.
    """

    record: int
    line: int
    field: str
    code: RowCode
    sentence: str
    raw: str


class RejectSpool:
    """Rejects on disk, in the order they were found, which is the order of the source."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open("x", encoding="utf-8", errors="surrogatepass")

    def add(self, rejects: Iterable[Reject]) -> None:
        """Append rejects; their records must not go backwards."""
        for reject in rejects:
            row = (
                reject.record,
                reject.line,
                reject.field,
                reject.code.value,
                reject.sentence,
                reject.raw,
            )
            self._file.write(json.dumps(row) + "\n")

    def __iter__(self) -> Iterator[Reject]:
        self._file.flush()
        with self._path.open(encoding="utf-8", errors="surrogatepass") as lines:
            for line in lines:
                record, number, field, code, sentence, raw = json.loads(line)
                yield Reject(
                    record=record,
                    line=number,
                    field=field,
                    code=RowCode(code),
                    sentence=sentence,
                    raw=raw,
                )

    def remove(self) -> None:
        """Close and delete the spool; calling it again does nothing."""
        with suppress(OSError):  # closing writes what is buffered, and the disk may be full
            self._file.close()
        self._path.unlink(missing_ok=True)


@dataclass(slots=True)
class RejectTally:
    """What was written to `rejects.csv`: distinct records, and records by code and by field."""

    records: int = 0
    by_code: Counter[str] = dataclasses.field(default_factory=Counter)
    by_field: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    _record: int = -1
    _seen: set[str | tuple[str, str]] = dataclasses.field(default_factory=set)

    def count(self, reject: Reject) -> None:
        """Count the next line; lines of one record stand together."""
        if reject.record != self._record:
            self.records += 1
            self._record = reject.record
            self._seen.clear()
        code, place = reject.code.value, (reject.code.value, reject.field)
        self.by_code[code] += code not in self._seen
        self.by_field[place] += place not in self._seen
        self._seen |= {code, place}


def write_rejects(
    path: Path, found_on_the_way: Iterable[Reject], found_at_the_end: Iterable[Reject]
) -> tuple[OutputFile, RejectTally]:
    """Write `rejects.csv` in source order from two sources that are each in that order."""
    tally = RejectTally()
    merged = heapq.merge(found_on_the_way, found_at_the_end, key=lambda reject: reject.record)
    with HashingFile(path) as file:
        file.write(csv_line(HEADER))
        for reject in merged:
            tally.count(reject)
            file.write(_line(reject))
        return file.finish(), tally


def _line(reject: Reject) -> bytes:
    return csv_line(
        (
            reject.record,
            reject.line,
            reject.field,
            reject.code.value,
            spreadsheet_safe(reject.sentence),
            spreadsheet_safe(reject.raw),
        )
    )

"""The head of a file, split by each delimiter that may be the right one."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import ContentError, FileCode
from pipeline.messages import Limits

SAMPLE_BYTES = 262_144
_RESTARTS = 50
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class Sample:
    """The first lines of a file. `text` is UTF-8; `lines` are the same, each with its line end.

    `complete` says that the file has no more.
    """

    text: bytes
    lines: list[str]
    complete: bool

    @property
    def line_ending(self) -> str:
        """LF, CRLF, CR or mixed; none when there is no line end."""
        ends = {_line_end(line) for line in self.lines} - {""}
        return ends.pop() if len(ends) == 1 else "mixed" if ends else "none"

    @property
    def whole_text(self) -> str:
        """The sample as text, without a quoted text at its end that goes on behind it."""
        if self.complete:
            return self.text.decode()
        odd = [at for at, line in enumerate(self.lines) if line.count('"') % 2]
        return "".join(self.lines[: odd[-1]] if len(odd) % 2 else self.lines)


@dataclass(frozen=True)
class Table:
    """The sample as one delimiter splits it. `whole_header`: the first record was readable."""

    delimiter: str
    records: list[list[str]]
    whole_header: bool

    @property
    def width(self) -> int:
        """Cells of the first record."""
        return len(self.records[0]) if self.records else 0

    @cached_property
    def rows(self) -> list[list[str]]:
        """Records below the first one that are not blank."""
        return [row for row in self.records[1:] if not is_blank(row)]


def take_sample(chunks: Iterator[bytes], limits: Limits) -> Sample:
    """Read whole lines from the head of the file.

    Raises:
        ContentError: LIMIT_EXCEEDED when the first line does not end within a record's limit.
    """
    text = bytearray()
    for chunk in chunks:
        text += chunk
        has_line = b"\n" in text or b"\r" in text[:-1]
        if len(text) >= SAMPLE_BYTES and has_line:
            end = max(text.rfind(b"\n"), text.rfind(b"\r", 0, len(text) - 1)) + 1
            if text[end - 1 : end + 1] == b"\r\n":
                end += 1
            return _sample(bytes(text[:end]), complete=False)
        if len(text) > limits.max_record_bytes and not has_line:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the first line is longer than {limits.max_record_bytes} bytes",
            )
    return _sample(bytes(text), complete=True)


def split(lines: Sequence[str], delimiter: str) -> Table:
    """Split `lines` into records; a record whose quotes are unbalanced is left out."""
    records: list[list[str]] = []
    start, whole_header = 0, True
    for _ in range(_RESTARTS):
        reader = csv.reader(lines[start:], delimiter=delimiter, strict=True, skipinitialspace=True)
        ended = 0
        try:
            for record in reader:
                records.append(record)
                ended = reader.line_num
        except csv.Error as error:
            whole_header = whole_header and bool(records)
            start += ended + 1
            unclosed = "unexpected end" in str(error)
            if unclosed and not _rows_follow(lines[start:], delimiter, records):
                break
            continue
        break
    return Table(delimiter, records, whole_header)


def is_blank(cells: Sequence[str]) -> bool:
    """True for a record whose cells hold nothing but space."""
    return not "".join(cells).strip()


def _rows_follow(lines: Sequence[str], delimiter: str, records: list[list[str]]) -> bool:
    """Tell whether most lines have as many delimiters as the first record has."""
    if not records:
        return True
    expected = len(records[0]) - 1
    counts = [line.count(delimiter) for line in lines[:100] if line.strip()]
    return expected > 0 and counts.count(expected) * 2 > len(counts)


def lines_of(text: str) -> list[str]:
    r"""The physical lines of `text` with their line ends: \n, \r\n or \r, and no other."""
    return _LINE.findall(text)


def _sample(text: bytes, *, complete: bool) -> Sample:
    return Sample(text, lines_of(text.decode()), complete)


def _line_end(line: str) -> str:
    if line.endswith("\r\n"):
        return "CRLF"
    return "LF" if line.endswith("\n") else "CR" if line.endswith("\r") else ""

"""A whole text file read for itself: how it is written, and the table it holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pipeline.formats.raw.choose import Choice, choose, likeliest
from pipeline.formats.raw.decoding import Encoding, detect_encoding
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.drawn import undrawn
from pipeline.formats.raw.evidence import about_choice, about_table
from pipeline.formats.raw.fixedwidth import FixedWidth, find_columns, told_columns
from pipeline.formats.raw.freetext import find_free_text
from pipeline.formats.raw.heads import front_matter
from pipeline.formats.raw.lexer import Lines
from pipeline.formats.raw.pairs import find_pairs
from pipeline.formats.raw.sampling import SAMPLE_LINES, sample_of
from pipeline.formats.raw.scoring import Score
from pipeline.formats.raw.separate import first_table
from pipeline.formats.raw.table import TableFinder
from pipeline.formats.raw.tableparts import RawTable

_SURE_OF_TEXT, _SURE_OF_PAIRS, _EVEN = 0.55, 0.8, 0.97
_GIVEN_UP = 0.5  # the most where damaged rows are left as they stand
_WEAK, _WEAK_UNEVEN, _UNEVEN = 0.12, 0.35, 0.75
_SEP = re.compile(r"\s*\"?sep=(.{1,3}?)\"?[,;|\t ]*", re.IGNORECASE)
_DECODED = Encoding("utf-8", "utf-8", 0, 1.0, ("decoded before",))


@dataclass(frozen=True)
class RawReading:
    """What a text file holds and how it was read. Nothing is refused here."""

    encoding: Encoding
    lines: Lines
    dialect: RawDialect
    choice: Choice | None
    fixed: FixedWidth | None
    table: RawTable
    declared: bool
    text_column: int | None = None
    keyed: bool = False

    @cached_property
    def confidence(self) -> float:
        """How sure the reading is, 0 to 1: no surer than its least sure part."""
        if not self.table.rows and self.table.header is None:
            return self.encoding.confidence
        least = min(self.encoding.confidence, self.sure, _of_header(self.table))
        return round(min(least, _GIVEN_UP) if self.table.given_up else least, 3)

    @property
    def sure(self) -> float:
        """How sure the way cells are split is, whatever the header may be."""
        if self.text_column is not None:
            return _SURE_OF_TEXT
        if self.keyed:
            return _SURE_OF_PAIRS
        return 1.0 if self.declared else self.fixed.confidence if self.fixed else _of(self.choice)

    def scores(self) -> dict[str, float]:
        """How good a table the best delimiter and the next best make."""
        found = [self.choice.best, self.choice.rival] if self.choice else []
        return {one.dialect.delimiter or "": round(one.total, 4) for one in found if one}

    def describe(self) -> dict[str, Any]:
        """Plain data, without cells but the names of the columns."""
        table = self.table
        preamble = (min(table.header_lines) if table.header_lines else table.first_line) - 1
        return {
            "format": "fixed width" if self.fixed else "delimited text",
            "encoding": self.encoding.name,
            **self._marks(),
            "line_ending": self._line_ending,
            "header_rows": len(table.header_lines),
            "header_lines": table.header_lines,
            "header": table.header,
            "columns": table.width,
            "rows": len(table.rows),
            "preamble": preamble if table.rows or table.header else 0,
            "preamble_lines": table.preamble,
            "footer": self._last_line - table.last_line if table.footer else 0,
            "footer_lines": table.footer,
            "comment_lines": table.comments,
            "repeated_header_lines": table.repeated,
            "other_tables": table.others,
            "repaired_lines": table.mended,
            "ragged_rows": table.ragged,
            "confidence": self.confidence,
            "evidence": self._evidence(),
        }

    def _marks(self) -> dict[str, Any]:
        marks = self.dialect.describe()
        if self.fixed:
            marks |= {"delimiter": None, "spans": [list(span) for span in self.fixed.spans]}
        if not self.is_quoted:
            marks["quotechar"] = None
        marks["doublequote"] = marks["quotechar"] is not None and marks["escapechar"] is None
        return marks

    @cached_property
    def is_quoted(self) -> bool:
        """True when the quote character stands in the text at all."""
        quote = self.dialect.quote
        return quote is not None and any(quote in text for text in self.lines.texts)

    @cached_property
    def _line_ending(self) -> str:
        names = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}
        found = {names[end] for end in self.lines.ends if end}
        return found.pop() if len(found) == 1 else "mixed" if found else "none"

    @property
    def _last_line(self) -> int:
        texts = self.lines.texts
        last = len(texts)
        while last and not texts[last - 1].strip():
            last -= 1
        return last

    def _evidence(self) -> list[str]:
        notes = list(self.encoding.evidence)
        if self.fixed:
            count = len(self.fixed.spans)
            is_told = self.fixed.told
            notes.append(f"the mapping says where its {count} columns stand" if is_told else
                         f"{count} columns line up in nearly all lines")  # fmt: skip
        elif self.text_column is not None:
            notes.append(f"parted by blanks; column {self.text_column} is text that holds blanks")
        elif self.keyed:
            notes.append("each line is pairs of a name and a value")
        elif self.declared:
            notes.append("a first line declares the separator")
        elif self.choice is not None:
            notes += about_choice(self.choice, quoted=self.is_quoted)
        return [*notes, *about_table(self.table)]


def read_text(data: bytes) -> RawReading:
    """Read the bytes of a whole text file."""
    encoding = detect_encoding(data)
    lines = undrawn(Lines.of(encoding.decode(data)))
    keyed = _keyed(encoding, lines)
    if keyed is not None:
        return keyed
    reading = _read(encoding, lines, None)
    if reading.dialect.delimiter in (None, " ", "") and reading.fixed is None:
        return _wordy(reading)
    return _apart(reading)


def _keyed(encoding: Encoding, lines: Lines) -> RawReading | None:
    """Lines of pairs, each of them a name and a value."""
    found = find_pairs(lines.texts)
    if found is None:
        return None
    names, rows = found
    filled = [at for at, text in enumerate(lines.texts, 1) if text.strip()]
    table = RawTable(len(names), names, [], rows, filled[0], last_line=filled[-1], header_lead=1.0)
    return RawReading(encoding, lines, RawDialect(" ", '"'), None, None, table, declared=False,
                      keyed=True)  # fmt: skip


def _wordy(reading: RawReading) -> RawReading:
    """The same, where one column of a text parted by blanks holds blanks itself."""
    best = reading.choice.best if reading.choice else None
    if reading.is_quoted or best is None or (best.dialect.delimiter and best.even > _EVEN):
        return reading
    found = find_free_text(reading.lines.texts)
    if found is None:
        return reading
    table = TableFinder(_marked(reading.lines, found.split), RawDialect("\x1f")).find()
    dialect = RawDialect(" ")
    return replace(reading, dialect=dialect, table=table, text_column=found.place + 1)


def _apart(reading: RawReading) -> RawReading:
    """The same, where a table with other marks stands above the one that was found, or below."""
    table, lines = reading.table, reading.lines
    above = first_table(lines, table.preamble)
    if above is not None and 2 * (above[1] - above[0]) >= len(table.rows):
        begins = min([*table.header_lines, table.first_line])
        head = Lines(lines.texts[: begins - 1], lines.ends[: begins - 1])
        first = _read(reading.encoding, head, None)
        first.table.others.append(begins)
        return replace(first, lines=lines)
    below = first_table(lines, table.footer) if not table.others else None
    if below is not None:
        table.others.append(below[0])
        table.footer = [line for line in table.footer if line < below[0]]
    return reading


def read_decoded(text: str, delimiter: str | None = None) -> RawReading:
    """Read text whose encoding is settled; by this `delimiter` when one is given."""
    return _read(_DECODED, Lines.of(text), delimiter)


def read_decoded_if(wanted: Callable[[RawDialect, bool], bool], text: str) -> RawReading | None:
    """The same, or None when the marks are not `wanted`; then no table is looked for.

    wanted: is given the dialect, and whether columns of fixed width take its place.
    """
    lines = Lines.of(text)
    if not _is_blank(lines) and _declared(lines) is None:
        best = likeliest(sample_of(lines, 0))
        is_fixed = _fixed(lines, best) is not None
        if not wanted(RawDialect(None) if is_fixed else best.dialect, is_fixed):
            return None
    marks = None if _is_blank(lines) else _marks(lines, None)
    dialect = RawDialect(None) if marks is None or marks.fixed else marks.choice.dialect
    if not wanted(dialect, marks is not None and marks.fixed is not None):
        return None
    return _read(_DECODED, lines, None, marks)


def read_head(encoding: Encoding, text: str) -> RawReading:
    """Read the head of a text that goes on behind it."""
    return _read(encoding, Lines.of(text), None)


def read_part(reading: RawReading, start: int, end: int) -> RawReading:
    """Read some lines of a text for themselves, as another table that stands in it."""
    lines = Lines(reading.lines.texts[start:end], reading.lines.ends[start:end])
    return _read(reading.encoding, lines, None)


def read_placed(text: str, told: FixedWidth) -> RawReading | None:
    """Read decoded text by columns somebody told; None when it does not stand in them."""
    lines = Lines.of(text)
    fixed = told_columns(told, [one for one in lines.texts if one.strip()])
    encoding = Encoding("utf-8", "utf-8", 0, 1.0, ("decoded before",))
    return None if fixed is None else _placed(encoding, lines, None, fixed, 0)


@dataclass(frozen=True, slots=True)
class _Marks:
    """What parts the cells of a text. start: 1 when its first line only declares the separator."""

    start: int
    declared: str | None
    choice: Choice
    fixed: FixedWidth | None


def _marks(lines: Lines, told: str | None) -> _Marks:
    declared = _declared(lines)
    start = front_matter(lines) if declared is None else 1
    declared = declared if told is None else told
    choice = choose(sample_of(lines, start), declared)
    return _Marks(start, declared, choice, _fixed(lines, choice.best) if declared is None else None)


def _is_blank(lines: Lines) -> bool:
    return not any(text and not text.isspace() for text in lines.texts)


def _read(
    encoding: Encoding, lines: Lines, told: str | None, marks: _Marks | None = None
) -> RawReading:
    if _is_blank(lines):
        return RawReading(encoding, lines, RawDialect(None), None, None, RawTable(0, None, [], []),
                          declared=False)  # fmt: skip
    marks = _marks(lines, told) if marks is None else marks
    start, choice, fixed = marks.start, marks.choice, marks.fixed
    if fixed is not None:
        return _placed(encoding, lines, choice, fixed, start)
    table = TableFinder(lines, choice.dialect, start).find()
    declared = marks.declared is not None
    return RawReading(encoding, lines, choice.dialect, choice, None, table, declared)


def _placed(
    encoding: Encoding, lines: Lines, choice: Choice | None, fixed: FixedWidth, start: int
) -> RawReading:
    """The table of lines whose cells stand in columns."""
    table = TableFinder(_marked(lines, fixed.split), RawDialect("\x1f"), start).find()
    return RawReading(encoding, lines, RawDialect(None), choice, fixed, table, declared=False)


def _marked(lines: Lines, split: Callable[[str], list[str]]) -> Lines:
    """The lines with a sign between their cells."""
    texts = ["\x1f".join(split(text)) if text.strip() else "" for text in lines.texts]
    return Lines(texts, lines.ends)


def _declared(lines: Lines) -> str | None:
    """The separator that a first line `sep=;` declares, as Excel understands it."""
    match = _SEP.fullmatch(lines.texts[0])
    return match[1] if match else None


def _fixed(lines: Lines, best: Score) -> FixedWidth | None:
    """Columns of fixed width, where blanks or nothing would part the cells otherwise."""
    weak = _WEAK_UNEVEN if best.even < _UNEVEN else _WEAK  # marks of the text that parts nothing
    if best.dialect.delimiter not in (None, " ", "") and best.total > weak:
        return None
    full = [text for text in lines.texts[:SAMPLE_LINES] if text.strip()]
    if best.dialect.delimiter in (" ", "") and best.even > 0.97:
        single = not any("  " in text.strip() for text in full)
        if best.typed > 0.9 or single or best.dialect.quote is not None:
            return None
    if best.dialect.delimiter is None and not any("  " in text for text in full):
        return None
    found = find_columns(full)
    if found is None:
        return None
    widths = [sum(bool(cell) for cell in found.split(text)) for text in full]
    usual = sum(width > len(found.spans) / 2 for width in widths)
    return found if usual > 0.7 * len(widths) else None


def _of(choice: Choice | None) -> float:
    return 1.0 if choice is None else choice.confidence


def _of_header(table: RawTable) -> float:
    """How sure it is that the first record does or does not name the columns."""
    return min(1.0, 0.55 + 0.3 * abs(table.header_lead)) if table.rows else 0.5


def plain_rows(reading: RawReading, *, with_header: bool = True) -> list[list[str]]:
    """The table as rows of text, the names of the columns first when there are any."""
    table = reading.table
    names = [table.header] if with_header and table.header is not None else []
    return [*names, *table.rows]

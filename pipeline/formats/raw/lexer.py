"""Lines to records under one dialect, strictly: what breaks the grammar is marked, not guessed at.

A quote that never closes breaks its own line only; the lines below are read as lines again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.formats.raw.dialect import RawDialect

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
_MOST_LINES = 50_000  # one quoted cell spans no more physical lines than this
_MOST_CHARS = 4 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """The physical lines of a text: `texts` without their ends, `ends` as they stood."""

    texts: list[str]
    ends: list[str]

    @classmethod
    def of(cls, text: str) -> Lines:
        """Split at line feeds, carriage returns and both together; at nothing else."""
        if "\r" not in text:
            texts = text.split("\n")
            ends = ["\n"] * (len(texts) - 1) + [""]
        else:
            found = _LINE.findall(text)
            texts, ends = [line for line, _ in found], [end for _, end in found]
            if len(ends) > 1 and ends[-2] == "":
                texts.pop()
                ends.pop()
        if texts and not texts[-1] and not ends[-1]:
            texts.pop()
            ends.pop()
        return cls(texts, ends)

    def joined(self, first: int, last: int) -> str:
        """Lines `first` to `last`, both included, without the last line end."""
        pieces = [self.texts[at] + self.ends[at] for at in range(first, last)]
        return "".join([*pieces, self.texts[last]])


@dataclass(slots=True)
class RawRecord:
    """One record: its cells, its first physical line (0 for the file's first) and how many.

    broken: its quotes do not follow the grammar; `cells` are then the line split plainly.
    stray: quotes in the middle of an unquoted cell. quoted: how many cells stood in quotes.
    open: a quote opens in it, and the lines at hand end before one closes.
    """

    cells: list[str]
    line: int
    lines: int = 1
    broken: bool = False
    stray: int = 0
    quoted: int = 0
    open: bool = False

    @property
    def blank(self) -> bool:
        """True when no cell holds more than space."""
        first = self.cells[0]
        if first and not first.isspace():
            return False  # as nearly always
        text = "".join(self.cells)
        return not text or text.isspace()


class Lexer:
    """Splits lines by one dialect."""

    def __init__(self, dialect: RawDialect) -> None:
        self.dialect = dialect
        self._delimiter = dialect.delimiter
        quote, escape = dialect.quote, dialect.escape
        mark = re.escape(dialect.delimiter) if dialect.delimiter else "[ \t]+"
        lead = "" if dialect.delimiter in (None, " ", "") else "[ ]*+"
        gap = "" if (dialect.delimiter or "").startswith(" ") else "[ ]*+"
        end = r"[ \t]*+\Z" if dialect.delimiter is None else rf"{gap}(?={mark}|\Z)|[ \t]*+\Z"
        self._mark = re.compile(mark)
        self._quoted = self._odd = None
        if quote is not None:
            inner = _inner(quote, escape)
            self._quoted = re.compile(
                rf"{lead}{re.escape(quote)}({inner}){re.escape(quote)}(?:{end})"
            )
        self._plain = _plain(dialect)
        self._fast = _FastLines(dialect) if _is_plain(dialect) else None
        self._escaped = None if escape is None else re.compile(re.escape(escape) + "(.)", re.S)

    def records(self, lines: Lines, start: int = 0, stop: int | None = None) -> Iterator[RawRecord]:
        """Yield the records that begin on lines `start` to `stop`."""
        at, stop = start, len(lines.texts) if stop is None else min(stop, len(lines.texts))
        texts = lines.texts
        none = "\n"  # stands in no line
        quote, escape = self.dialect.quote or none, self.dialect.escape or none
        while at < stop:
            text = texts[at]
            if quote not in text and escape not in text:
                yield RawRecord(self.split(text), at)
                at += 1
                continue
            record = self._special(lines, at)
            yield record
            at += record.lines

    def split(self, text: str) -> list[str]:
        """Split one line at every delimiter, quotes or not."""
        if self._delimiter is None:
            return [text]
        if self._delimiter == "":
            return text.split() or [""]
        cells = text.split(self._delimiter)
        if self.dialect.padded:
            return [cell.strip(" ") for cell in cells]
        if self.dialect.skip_space:
            return [cells[0], *(cell.lstrip(" ") for cell in cells[1:])]
        return cells

    def parse(self, text: str) -> tuple[list[str], int, int] | None:
        """Cells of one record, how many were quoted, how many hold a stray quote; None: broken."""
        cells = self._unquoted_cells(text)
        if cells:
            return cells, 0, sum(self.dialect.quote in cell for cell in cells)  # type: ignore[operator]
        quoted = stray = 0
        at, quote = 0, self.dialect.quote
        while True:
            match = None if self._quoted is None else self._quoted.match(text, at)
            if match is not None:
                cells.append(self._unquoted(match[1]))
                quoted += 1
                at = match.end()
            else:
                cell, at = self._unquoted_cell(text, at)
                if quote is not None and quote in cell:
                    if cell.lstrip(" ").startswith(quote):
                        return None
                    stray += 1
                cells.append(self._without_escapes(cell))
            if at >= len(text):
                return cells, quoted, stray
            step = self._mark.match(text, at)
            if step is None:
                return None
            at = step.end()

    def _unquoted_cells(self, text: str) -> list[str]:
        """Cells of a record none of which begins with a quote; none when that is not plain."""
        quote = self.dialect.quote
        if quote is None or not self._delimiter or self.dialect.escape is not None:
            return []
        if text.startswith(quote) or self._delimiter + quote in text:
            return []
        cells = self.split(text)
        return [] if any(cell.lstrip(" ").startswith(quote) for cell in cells) else cells

    def _special(self, lines: Lines, at: int) -> RawRecord:
        """Read the record at line `at`, which holds a quote or an escape."""
        last, chars = at, len(lines.texts[at])
        odd = self._opens(lines.texts[at])
        while odd and last + 1 < len(lines.texts) and last - at < _MOST_LINES:
            last += 1
            chars += len(lines.texts[last])
            if chars > _MOST_CHARS:
                break
            odd ^= self._opens(lines.texts[last])
        if last == at or odd:
            text = lines.texts[at]
            found = None if odd or self._fast is None else self._fast.parse(text)
            found = self.parse(text) if found is None else found
            last = at
        else:
            single = self.parse(lines.texts[at])
            found = self.parse(lines.joined(at, last)) if single is None else single
            last = at if single is not None or found is None else last
        if found is None:
            cells = self.split(lines.texts[at])
            return RawRecord(cells, at, broken=True, open=odd and chars <= _MOST_CHARS)
        cells, quoted, stray = found
        return RawRecord(cells, at, last - at + 1, stray=stray, quoted=quoted)

    def _opens(self, text: str) -> bool:
        """True for an odd number of quotes that no escape disarms."""
        quote, escape = self.dialect.quote, self.dialect.escape
        if quote is None:
            return False
        count = text.count(quote)
        if escape is not None and escape in text:
            count -= len(re.findall(rf"{re.escape(escape)}{re.escape(quote)}", text))
        return count % 2 == 1

    def _unquoted_cell(self, text: str, at: int) -> tuple[str, int]:
        match = self._plain.match(text, at)
        if match is None:  # the pattern matches the empty text too
            return "", at
        cell = match[0]
        if self.dialect.padded:
            return cell.strip(" "), match.end()
        skips = self.dialect.skip_space and at > 0
        return (cell.lstrip(" ") if skips else cell), match.end()

    def _unquoted(self, inner: str) -> str:
        quote = self.dialect.quote
        if quote and quote in inner:
            inner = inner.replace(quote + quote, quote)
        return self._without_escapes(inner)

    def _without_escapes(self, cell: str) -> str:
        escape = self.dialect.escape
        if self._escaped is None or escape is None or escape not in cell:
            return cell
        special = {self.dialect.quote, self.dialect.delimiter, self.dialect.escape}
        return self._escaped.sub(lambda match: match[1] if match[1] in special else match[0], cell)


class _FastLines:
    """Splits lines whose quotes are all in order, at the speed of the csv module."""

    def __init__(self, dialect: RawDialect) -> None:
        self._quote = dialect.quote or ""
        self._words = {"delimiter": dialect.delimiter, "quotechar": dialect.quote, "strict": True}
        self._text: str | None = None
        self._reader = csv.reader(self, **self._words)  # type: ignore[arg-type]
        self._spaced = f" {self._quote}"

    def __iter__(self) -> _FastLines:
        return self

    def __next__(self) -> str:
        text, self._text = self._text, None
        if text is None:
            raise StopIteration  # the line ended within quotes
        return text

    def parse(self, text: str) -> tuple[list[str], int, int] | None:
        """Cells and how many were quoted; None when the line needs a closer look."""
        if self._spaced in text:
            return None
        self._text = text
        try:
            cells = next(self._reader)
        except (csv.Error, StopIteration):
            self._reader = csv.reader(self, **self._words)  # type: ignore[arg-type]
            return None
        if self._quote in "".join(cells):
            return None  # one of them is part of a cell: how many were quoted is not told
        return cells, text.count(self._quote) // 2, 0


def _is_plain(dialect: RawDialect) -> bool:
    """True for dialects that the csv module knows."""
    return (
        dialect.quote is not None
        and dialect.delimiter is not None
        and len(dialect.delimiter) == 1
        and dialect.delimiter != " "
        and dialect.escape is None
        and not dialect.skip_space
        and not dialect.padded
    )


def _inner(quote: str, escape: str | None) -> str:
    other = re.escape(quote)
    if escape is None:
        return f"[^{other}]*+(?:{other}{other}[^{other}]*+)*+"
    mark = re.escape(escape)
    return f"(?:[^{other}{mark}]++|{mark}.|{other}{other})*+"


def _plain(dialect: RawDialect) -> re.Pattern[str]:
    if dialect.delimiter is None:
        return re.compile(r".*+", re.S)
    if dialect.delimiter == "":
        return re.compile(r"[^ \t]*+")
    mark = re.escape(dialect.delimiter)
    if dialect.escape is not None:
        escape = re.escape(dialect.escape)
        return re.compile(rf"(?:{escape}.|(?!{mark}).)*+", re.S)
    if len(dialect.delimiter) == 1:
        return re.compile(rf"[^{mark}]*+")
    return re.compile(rf"(?:(?!{mark}).)*+", re.S)

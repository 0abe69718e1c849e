"""Lines to records under one dialect, strictly: what breaks the grammar is marked, not guessed at.

A quote that never closes breaks its own line only; the lines below are read as lines again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.quicklines import QuickLines, is_known

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
_MOST_LINES = 50_000  # one quoted cell spans no more physical lines than this
_MOST_CHARS = 4 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """The physical lines of a text: `texts` without their ends, `ends` as they stood."""

    texts: list[str]
    ends: list[str]
    _counts: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)

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

    def counts(self, mark: str) -> list[int]:
        """How often a mark stands in each line; counted once."""
        if mark not in self._counts:
            self._counts[mark] = [text.count(mark) for text in self.texts]
        return self._counts[mark]


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
        self._mark, self._quoted, self._plain, self._escaped = _patterns(dialect)
        self._quick = QuickLines(dialect) if is_known(dialect) else None

    def records(self, lines: Lines, start: int = 0, stop: int | None = None) -> Iterator[RawRecord]:
        """Yield the records that begin on lines `start` to `stop`."""
        at, stop = start, len(lines.texts) if stop is None else min(stop, len(lines.texts))
        texts = lines.texts
        odd = self.openings(lines)
        none = "\n"  # stands in no line
        quote, escape = self.dialect.quote or none, self.dialect.escape or none
        while at < stop:
            text = texts[at]
            if quote not in text and escape not in text:
                yield RawRecord(self.split(text), at)
                at += 1
                continue
            if odd[at]:
                record = self.opened(lines, at, odd)
            else:
                quick = None if self._quick is None else self._quick.parse(text)
                record = (
                    self.single(text, at)
                    if quick is None
                    else RawRecord(quick[0], at, quoted=quick[1])
                )
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

    def split_all(self, texts: Sequence[str]) -> list[list[str]]:
        """Each line split at every delimiter."""
        if self._delimiter and not self.dialect.padded and not self.dialect.skip_space:
            delimiter = self._delimiter
            return [text.split(delimiter) for text in texts]
        return [self.split(text) for text in texts]

    def quick_cells(self, texts: Sequence[str]) -> list[list[str] | None]:
        """Cells of lines that hold an even number of quotes; None for what needs a closer look."""
        return [None] * len(texts) if self._quick is None else self._quick.parse_all(texts)

    def parse(self, text: str) -> tuple[list[str], int, int] | None:
        """Cells of one record, how many were quoted, how many hold a stray quote; None: broken."""
        quote = self.dialect.quote
        is_whole = self._delimiter is None and self.dialect.escape is None and quote is not None
        if is_whole and not text.lstrip(" ").startswith(quote or ""):
            return [text], 0, int((quote or "") in text)
        cells = self._unquoted_cells(text)
        if cells:
            return cells, 0, sum([self.dialect.quote in cell for cell in cells])  # type: ignore[operator]
        quoted = stray = 0
        at = 0
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
        if f" {quote}" not in text:
            return cells
        return [] if any(cell.lstrip(" ").startswith(quote) for cell in cells) else cells

    def openings(self, lines: Lines) -> list[bool]:
        """Of each line, whether a quote that opens in it, or closes, does the other in another."""
        quote, escape = self.dialect.quote, self.dialect.escape
        if quote is None:
            return [False] * len(lines.texts)
        counts = lines.counts(quote)
        if escape is None:
            return [count % 2 == 1 for count in counts]
        disarmed = escape + quote
        return [
            (count - (text.count(disarmed) if disarmed in text else 0)) % 2 == 1
            for count, text in zip(counts, lines.texts, strict=True)
        ]

    def single(self, text: str, at: int) -> RawRecord:
        """The record in line `at`, which holds a quote or an escape and opens nothing."""
        found = self.parse(text)
        if found is None:
            return RawRecord(self.split(text), at, broken=True)
        return RawRecord(found[0], at, stray=found[2], quoted=found[1])

    def opened(self, lines: Lines, at: int, odd: Sequence[bool]) -> RawRecord:
        """The record from line `at` on, whose quotes are odd in number; `odd` tells of each line.

        When a quote closes in no line below, it breaks this line alone.
        """
        text = lines.texts[at]
        last, is_near = _closing(lines, at, odd)
        found = self.parse(text)
        count = 1
        if found is None and last is not None:
            found, count = self.parse(lines.joined(at, last)), last - at + 1
        if found is None:
            return RawRecord(self.split(text), at, broken=True, open=last is None and is_near)
        return RawRecord(found[0], at, count, stray=found[2], quoted=found[1])

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


def _closing(lines: Lines, at: int, odd: Sequence[bool]) -> tuple[int | None, bool]:
    """The line in which a quote that opens in line `at` closes, None when too far away.

    And whether all that was looked at is near: then more lines may still close it.
    """
    end = min(len(lines.texts), at + _MOST_LINES + 1)
    try:
        last = odd.index(True, at + 1, end)
    except ValueError:
        return None, sum(map(len, lines.texts[at:end])) <= _MOST_CHARS
    is_near = sum(map(len, lines.texts[at : last + 1])) <= _MOST_CHARS
    return (last if is_near else None), is_near


@lru_cache(256)
def _patterns(
    dialect: RawDialect,
) -> tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str], re.Pattern[str] | None]:
    """Patterns of a delimiter, of a quoted cell, of another cell and of an escaped character."""
    quote, escape = dialect.quote, dialect.escape
    mark = re.escape(dialect.delimiter) if dialect.delimiter else "[ \t]+"
    lead = "" if dialect.delimiter in (None, " ", "") else "[ ]*+"
    gap = "" if (dialect.delimiter or "").startswith(" ") else "[ ]*+"
    end = r"[ \t]*+\Z" if dialect.delimiter is None else rf"{gap}(?={mark}|\Z)|[ \t]*+\Z"
    quoted = None
    if quote is not None:
        inner = _inner(quote, escape)
        quoted = re.compile(rf"{lead}{re.escape(quote)}({inner}){re.escape(quote)}(?:{end})")
    escaped = None if escape is None else re.compile(re.escape(escape) + "(.)", re.S)
    return re.compile(mark), quoted, _plain(dialect), escaped


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

"""Lines whose quotes are all in order, split at the speed of the csv module."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import chain
from operator import or_

from pipeline.formats.raw.dialect import RawDialect

_STAND_IN = "\x1f"  # for a delimiter of several characters


class QuickLines:
    """Splits lines by one dialect that the csv module knows."""

    def __init__(self, dialect: RawDialect) -> None:
        self._quote, self._delimiter = dialect.quote or "", dialect.delimiter or ""
        self._is_long = len(self._delimiter) > 1
        self._words = {
            "delimiter": _STAND_IN if self._is_long else self._delimiter,
            "quotechar": self._quote,
            "skipinitialspace": dialect.skip_space,
            "strict": True,
        }
        self._skips, self._by_blanks = dialect.skip_space, self._delimiter == " "

    def parse(self, text: str) -> tuple[list[str], int, int] | None:
        """Cells and how many were quoted; None when the line needs a closer look."""
        cells = self.parse_all([text])[0]
        return None if cells is None else (cells, text.count(self._quote) // 2, 0)

    def parse_all(self, texts: Sequence[str]) -> list[list[str] | None]:
        """Cells of each line that holds a quote; None for one that needs a closer look."""
        odd = self._odd(texts)
        if True not in odd:
            return self._parsed(texts)
        rows = iter(self._parsed([text for text, out in zip(texts, odd, strict=True) if not out]))
        return [None if out else next(rows) for out in odd]

    def _odd(self, texts: Sequence[str]) -> list[bool]:
        """Of each line, whether it needs a closer look.

        It does where no cell begins with a quote, and where blanks stand in it that the csv module
        takes otherwise.
        """
        quote, begins = self._quote, self._delimiter + self._quote
        spaced = f" {quote}"
        found = [begins not in text and text[:1] != quote for text in texts]
        if self._by_blanks:
            return [out or text[-1:] in (" ", "\t") for out, text in zip(found, texts, strict=True)]
        if self._skips:
            found = [out and spaced not in text for out, text in zip(found, texts, strict=True)]
            odd = [text[:1] == " " or _STAND_IN in text for text in texts]
        elif self._is_long:
            odd = [spaced in text or _STAND_IN in text for text in texts]
        else:
            odd = [spaced in text for text in texts]
        return list(map(or_, found, odd))

    def _parsed(self, texts: Sequence[str]) -> list[list[str] | None]:
        """The same for lines without such blanks."""
        told = (
            [one.replace(self._delimiter, _STAND_IN) for one in texts] if self._is_long else texts
        )
        try:
            rows: list[list[str]] = list(csv.reader(told, **self._words))  # type: ignore[arg-type]
        except csv.Error:
            rows = []
        if len(rows) != len(texts):  # one of them is not in order, or goes on in the next
            return self._each(told)
        return self._without_odd(rows)

    def _each(self, texts: Sequence[str]) -> list[list[str] | None]:
        """The same, beginning anew behind each line that is not in order."""
        found: list[list[str] | None] = []
        while len(found) < len(texts):
            begin = len(found)
            lines = (texts[at] for at in range(begin, len(texts)))
            reader = csv.reader(lines, **self._words)  # type: ignore[arg-type]
            try:
                for row in reader:
                    if begin + reader.line_num != len(found) + 1:
                        break  # the line goes on in the next
                    found.append(row)
            except csv.Error:
                pass
            if len(found) < len(texts):
                found.append(None)
        rows = iter(self._without_odd([row for row in found if row is not None]))
        return [None if row is None else next(rows) for row in found]

    def _without_odd(self, rows: list[list[str]]) -> list[list[str] | None]:
        """The rows with their own delimiter; None for those a cell of which holds a quote."""
        whole = "".join(chain.from_iterable(rows))
        if self._is_long and _STAND_IN in whole:
            rows = [[cell.replace(_STAND_IN, self._delimiter) for cell in row] for row in rows]
        if self._quote not in whole:
            return rows  # type: ignore[return-value]
        return [None if self._quote in "".join(row) else row for row in rows]


def is_known(dialect: RawDialect) -> bool:
    """True for dialects that the csv module knows."""
    return (
        dialect.quote is not None
        and bool(dialect.delimiter)
        and dialect.quote not in (dialect.delimiter or "")
        and dialect.escape is None
        and not dialect.padded
        and not (dialect.delimiter == " " and dialect.skip_space)
    )

"""Records of a text of any length, some lines at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.lexer import Lexer, Lines, RawRecord

_WINDOW_CHARS = 4 << 20


class RecordStream:
    """The records of a text that comes in pieces. `texts` is the whole text."""

    def __init__(self, texts: Iterable[str], dialect: RawDialect) -> None:
        self._texts = iter(texts)
        self._lexer = Lexer(dialect)
        self._rest = ""
        self._complete = False

    def records(self, start: int = 0) -> Iterator[tuple[RawRecord, str]]:
        """Yield the records from line `start` (0 for the first) on, each with its text."""
        first = 0
        while not self._complete:
            lines = self._window()
            stop = len(lines.texts)
            if not self._complete:
                stop = max(0, stop - 1)  # it may go on
            at = min(stop, max(0, start - first))
            for record in self._lexer.records(lines, at, stop):
                if record.open and not self._complete:
                    break
                at = record.line + record.lines
                text = lines.joined(record.line, at - 1)
                record.line += first
                yield record, text
            at = max(at, min(stop, max(0, start - first)))
            first += at
            self._rest = "".join(
                text + end for text, end in zip(lines.texts[at:], lines.ends[at:], strict=True)
            )

    def _window(self) -> Lines:
        """The lines at hand, more than were left over; the last one may not be whole."""
        pieces, size = [self._rest], 0
        while size < _WINDOW_CHARS:
            piece = next(self._texts, None)
            if piece is None:
                self._complete = True
                break
            pieces.append(piece)
            size += len(piece)
        return Lines.of("".join(pieces))

"""Everything that is decided about a delimited text once, before its rows are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ContentError, FileCode
from pipeline.formats import dialect as dialects
from pipeline.formats import sample as sampling
from pipeline.formats import signatures
from pipeline.formats.base import ReadAs, UnclearLayout
from pipeline.formats.dialect import Dialect
from pipeline.formats.encoding import TextEncoding
from pipeline.formats.header import HeaderPlace, check_header
from pipeline.formats.headerlines import join_names, named_by_place, padded, two_lines
from pipeline.formats.quoting import Record, RecordGrammar
from pipeline.formats.sample import Sample, Table
from pipeline.formats.shapes import ColumnShapes
from pipeline.formats.titles import header_behind_titles
from pipeline.messages import Limits

# One column has no delimiter, but parsers want one: the character that ASCII made for separating.
_NO_DELIMITER = b"\x1f"
_BLANK = ' \t\r\n\v\f\u00a0\ufeff",;|'
_SHAPED_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a delimited text is read.

    header_line, data_line: physical lines, 1 for the file's first. data_offset: where the records
    begin, in bytes of the text as UTF-8. shapes: what the sampled rows have in common.
    """

    encoding: TextEncoding
    dialect: Dialect
    header: tuple[str, ...]
    header_line: int
    data_line: int
    data_offset: int
    line_ending: str
    shapes: ColumnShapes
    notes: tuple[str, ...]

    @property
    def delimiter(self) -> bytes:
        """The byte that ends a cell."""
        mark = self.dialect.delimiter
        return _NO_DELIMITER if mark is None else mark.encode()

    def describe(self) -> dict[str, Any]:
        """The decisions and their evidence as plain data, without cell values."""
        return {
            "format": signatures.DELIMITED_TEXT,
            "encoding": self.encoding.codec,
            "delimiter": self.dialect.delimiter,
            "quote": '"',
            "line_ending": self.line_ending,
            "header_line": self.header_line,
            "columns": len(self.header),
            "confidence": round(min(self.encoding.confidence, self.dialect.confidence), 3),
            "scores": dict(self.dialect.scores),
            "evidence": [*self.encoding.evidence, *self.dialect.evidence, *self.notes],
        }


def decide_layout(
    sample: Sample, encoding: TextEncoding, limits: Limits, read_as: ReadAs | None = None
) -> Layout:
    """Decide how the text that begins with `sample` is read; what `read_as` says is obeyed.

    Raises:
        ContentError: UNSUPPORTED, EMPTY, LAYOUT_UNCLEAR, HEADER_MISSING, HEADER_MISMATCH or
            LIMIT_EXCEEDED.
    """
    told = ReadAs() if read_as is None else read_as
    try:
        return _decide(sample, encoding, limits, told)
    except UnclearLayout as question:
        above = None if told.is_told else header_behind_titles(sample, question)
        if above is None:
            raise
    return _decide(sample, encoding, limits, told, above)


def _decide(
    sample: Sample, encoding: TextEncoding, limits: Limits, told: ReadAs, above: int = 0
) -> Layout:
    """Decide the layout; `above` lines at the file's start are titles."""
    declared = dialects.sep_line(sample.lines[0]) if sample.lines else None
    start = _start(sample.lines, told, max(above, 0 if declared is None else 1))
    lines = sample.lines[start:]
    dialect = _dialect(lines, declared, told, start)
    delimiter = _NO_DELIMITER.decode() if dialect.delimiter is None else dialect.delimiter
    table = sampling.split(lines, delimiter)
    record = _read_header(sample, start, table, delimiter)
    _check_limits(record.cells, limits)
    if not told.header:
        return _without_header(sample, encoding, dialect, table, start, told)
    header = tuple(cell.decode() for cell in record.cells)
    data_line = 1 + len(sampling.lines_of(sample.text[: record.end].decode()))
    if sample.complete and _is_header_only(sample.lines[start : data_line - 1], lines, delimiter):
        raise ContentError(FileCode.EMPTY, "the file has a header and no rows")
    header = _names(header, sample.lines, table, told, start, delimiter)
    return Layout(
        encoding=encoding,
        dialect=dialect,
        header=header,
        header_line=start + 1,
        data_line=data_line,
        data_offset=record.end,
        line_ending=sample.line_ending,
        shapes=ColumnShapes(table.rows[:_SHAPED_ROWS], len(header)),
        notes=_notes(header, start, declared, above),
    )


def _start(lines: Sequence[str], told: ReadAs, behind: int) -> int:
    """Index of the line the names end in, or, without any, of the first data."""
    rows = told.header_rows or (told.comment_rows if not told.header else ())
    if told.header and told.header_rows:
        at = told.header_rows[-1] - 1
        if at >= len(lines):
            raise ContentError(FileCode.EMPTY, f"the file ends before line {at + 1}, its header")
        return at
    return _header_index(lines, max([behind, *rows]))


def _dialect(lines: Sequence[str], declared: str | None, told: ReadAs, start: int) -> Dialect:
    if told.delimiter is not None:
        sentence = f"the mapping says: separated by {dialects.name(told.delimiter)}"
        return Dialect(told.delimiter, 1.0, {told.delimiter: 1.0}, (sentence,))
    return dialects.decide_delimiter(lines, declared, start)


def _names(
    header: tuple[str, ...],
    lines: Sequence[str],
    table: Table,
    told: ReadAs,
    start: int,
    delimiter: str,
) -> tuple[str, ...]:
    """The labels of the columns, by what was told or by what the lines show.

    Raises:
        ContentError: HEADER_MISMATCH, HEADER_MISSING or LAYOUT_UNCLEAR.
    """
    if told.unnamed is not None:
        widths = [len(row) for row in table.rows]
        usual = max(set(widths), key=widths.count, default=len(header))
        if usual > len(header):
            return padded(header, usual, told.unnamed)
    if told.header_rows:
        above = [sampling.split([lines[row - 1]], delimiter) for row in told.header_rows[:-1]]
        rows = [table.records[0] if table.records else [] for table in above]
        return join_names([*rows, header], told.header_join) if rows else header
    check_header(header, table.rows, HeaderPlace(lines, start, delimiter))
    doubled = two_lines(header, table, start + 1, delimiter)
    if doubled is not None:
        raise UnclearLayout(
            FileCode.LAYOUT_UNCLEAR,
            f"the column names seem to stand in two lines, {start + 1} and {start + 2}",
            key="header",
            guess=doubled.guess,
            answers=doubled.answers,
            proposed=doubled.proposed,
        )
    return header


def _without_header(
    sample: Sample,
    encoding: TextEncoding,
    dialect: Dialect,
    table: Table,
    start: int,
    told: ReadAs,
) -> Layout:
    rows = [table.records[0], *table.rows]
    names = named_by_place(table.width, told.names)
    return Layout(
        encoding=encoding,
        dialect=dialect,
        header=names,
        header_line=0,
        data_line=start + 1,
        data_offset=sum(len(line.encode()) for line in sample.lines[:start]),
        line_ending=sample.line_ending,
        shapes=ColumnShapes(rows[:_SHAPED_ROWS], len(names)),
        notes=("the mapping says: there is no header",),
    )


def _header_index(lines: Sequence[str], start: int) -> int:
    """Index of the header's line: the first that is not blank."""
    for index, line in enumerate(lines[start:], start):
        if line.strip(_BLANK):
            return index
    raise ContentError(FileCode.EMPTY, "the file has only blank lines")


def _read_header(sample: Sample, start: int, table: Table, delimiter: str) -> Record:
    offset = sum(len(line.encode()) for line in sample.lines[:start])
    grammar = RecordGrammar(delimiter.encode())
    if table.whole_header:
        record = grammar.read(
            sample.text, offset, table.width, end=len(sample.text), complete=sample.complete
        )
        if isinstance(record, Record) and len(record.cells) == table.width:
            return record
    raise ContentError(FileCode.LAYOUT_UNCLEAR, "the quotes in the header line do not pair up")


def _is_header_only(header: Sequence[str], lines: Sequence[str], delimiter: str) -> bool:
    """Tell whether below the header come only blank lines and the header again."""
    known = {line.rstrip("\r\n") for line in header}
    return all(
        line.rstrip("\r\n") in known or not line.strip(_BLANK + delimiter)
        for line in lines[len(header) :]
    )


def _check_limits(header: Sequence[bytes], limits: Limits) -> None:
    if len(header) > limits.max_columns:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"the header has {len(header)} columns; {limits.max_columns} are allowed",
        )
    if max(map(len, header)) > limits.max_cell_bytes:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"a column name is longer than {limits.max_cell_bytes} bytes",
        )


def _notes(header: Sequence[str], start: int, declared: str | None, above: int) -> tuple[str, ...]:
    notes = []
    if above:
        lines = "line 1 stands" if start == 1 else f"lines 1 to {start} stand"
        notes.append(f"{lines} above the header, no part of the table")
    elif start - (declared is not None):
        notes.append("blank lines stand before the header")
    unnamed = [str(at) for at, label in enumerate(header, 1) if not label.strip()]
    if unnamed:
        notes.append(f"columns without a name, at position {', '.join(unnamed)}")
    return tuple(notes)

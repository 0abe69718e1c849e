"""Whether the lines above a header plainly are none of the table: a title, a date, comments.

Where the raw view is sure of the table, and none of the lines above it could be one of its records,
a delivery goes on and says what was left out. Everything else is asked.
"""

from __future__ import annotations

from pipeline.formats.base import UnclearLayout
from pipeline.formats.raw.reading import RawReading, read_decoded
from pipeline.formats.sample import Sample

_SURE = 0.85
_LEAST_ROWS = 5
_MOST_LINES = 30
_NARROW = 0.5  # a title has at most this share of the table's cells
_LEAD = 1.0


def header_behind_titles(sample: Sample, question: UnclearLayout) -> int | None:
    """The index of the header's line when what stands above it plainly is no part of the table.

    None when the `question` must be put.
    """
    rows = question.guess.header_rows
    if question.key != "header" or len(rows) != 1 or not 1 < rows[0] <= _MOST_LINES:
        return None
    reading = read_decoded(sample.whole_text)
    return rows[0] - 1 if _is_plain(reading, rows[0]) else None


def _is_plain(reading: RawReading, line: int) -> bool:
    """True when the table begins with a header in this line, beyond doubt."""
    table = reading.table
    if table.header_lines != [line] or table.header is None or table.width < 2:
        return False
    if reading.fixed or min(reading.confidence, reading.sure) < _SURE or table.mended:
        return False
    if table.ragged or table.others or len(table.rows) < _LEAST_ROWS:
        return False
    names = [name.strip() for name in table.header]
    if not all(names) or len(set(names)) < len(names) or table.header_lead < _LEAD:
        return False
    mark = reading.dialect.delimiter or ""
    above = reading.lines.texts[: line - 1]
    widest = max((text.count(mark) + 1 for text in above if text.strip()), default=1)
    return widest <= max(1, _NARROW * table.width)

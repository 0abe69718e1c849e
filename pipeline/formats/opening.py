"""Which of the two readers of delimited text opens a file: the fast one, if it knows its dialect.

Both find out for themselves; here only the marks that the fast one does not know are looked for.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.countedwidth import placed_columns
from pipeline.formats.csv import DelimitedReader
from pipeline.formats.dialect import CANDIDATES
from pipeline.formats.encoding import TextEncoding, detect_encoding, utf8_chunks
from pipeline.formats.lenient import LenientReader
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.reading import RawReading, read_decoded, read_decoded_if, read_placed
from pipeline.formats.sample import SAMPLE_BYTES, take_sample
from pipeline.messages import Limits

_SURE = 0.6


def open_delimited(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open the table in a delimited text.

    Raises:
        ContentError, TransientError: as `DelimitedReader`.
    """
    told = ReadAs() if read_as is None else read_as
    if told.spans:
        return _placed(path, limits, told)
    if told.delimiter in CANDIDATES:
        return DelimitedReader(path, limits, read_as=told)
    encoding = detect_encoding(path, told.encoding)
    reading = _reading(path, limits, encoding, told.delimiter)
    if reading is None:
        return DelimitedReader(path, limits, read_as=told)
    return LenientReader(path, limits, encoding, reading, told)


def _placed(path: Path, limits: Limits, told: ReadAs) -> TableReader:
    """Columns of fixed width, where somebody said that they stand."""
    encoding = detect_encoding(path, told.encoding)
    sample = take_sample(utf8_chunks(path, encoding, SAMPLE_BYTES), limits)
    columns = placed_columns(told.spans, told.counted, encoding.codec)
    reading = read_placed("".join(sample.lines), columns)
    if reading is None:
        raise ContentError(
            FileCode.LAYOUT_UNCLEAR,
            f"its lines do not stand in the {len(told.spans)} columns that the mapping says",
        )
    return LenientReader(path, limits, encoding, reading, told)


def _reading(
    path: Path, limits: Limits, encoding: TextEncoding, delimiter: str | None
) -> RawReading | None:
    """How the file is read when its marks are unusual ones, beyond doubt; else None."""
    sample = take_sample(utf8_chunks(path, encoding, SAMPLE_BYTES), limits)
    text = sample.whole_text
    if delimiter is not None:
        return read_decoded(text, delimiter)
    reading = read_decoded_if(_are_unusual, text)
    return reading if reading is not None and reading.sure >= _SURE else None


def _are_unusual(dialect: RawDialect, is_fixed_width: bool) -> bool:
    return (
        is_fixed_width
        or dialect.delimiter not in (*CANDIDATES, None)
        or dialect.quote not in ('"', None)
        or dialect.escape is not None
    )

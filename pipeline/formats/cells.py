"""From the text of whole records to Arrow columns, and the rows among them that are no data."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pipeline.formats.structure import Block
from pipeline.standardize.wholetexts import FEW

_BOM = b"\xef\xbb\xbf"

Rows = npt.NDArray[np.int64]


def parse_cells(
    block: Block, width: int, delimiter: bytes
) -> tuple[list[pa.StringArray], Rows, dict[int, int]]:
    """Parse the balanced records of `block`.

    Returns the columns, the record each row came from, and for records that have not `width` cells
    how many they have.
    """
    names = [str(at) for at in range(width)]
    few = _few_cells(block, width, delimiter)
    if few is not None:
        return few, np.arange(len(block.first_lines)), {}
    table, ragged = _read_arrow(_parsable(block), names, delimiter.decode(), block)
    columns = [_whole(column) for column in table.columns]
    records = np.delete(np.arange(len(block.first_lines)), list(ragged))
    if block.unbalanced:
        placeholders = np.flatnonzero(np.isin(records, block.unbalanced))
        columns, records = without_rows(columns, placeholders), np.delete(records, placeholders)
    return columns, records, ragged


def _few_cells(block: Block, width: int, delimiter: bytes) -> list[pa.StringArray] | None:
    """The columns of a few records of `width` cells that Python reads as Arrow does; else None.

    To set up Arrow's parser takes longer than to read them.
    """
    count = len(block.first_lines)
    if count > FEW or width == 1 or block.rewritten or block.text.startswith(_BOM):
        return None
    split = _quoted_rows if block.has_quotes else _plain_rows
    rows = split(block, delimiter)
    if rows is None or len(rows) != count or any(len(row) != width for row in rows):
        return None
    every = pa.array([cell for cells in zip(*rows, strict=True) for cell in cells], pa.string())
    return [every.slice(at * count, count) for at in range(width)]


def _plain_rows(block: Block, delimiter: bytes) -> Sequence[Sequence[bytes]] | None:
    """Lines that are nothing but cells and delimiters."""
    text = block.text[: int(block.starts[-1])].replace(b"\r\n", b"\n")
    if b"\r" in text:
        return None
    return [line.split(delimiter) for line in text.removesuffix(b"\n").split(b"\n")]


def _quoted_rows(block: Block, delimiter: bytes) -> Sequence[Sequence[str]] | None:
    """Records with quotes."""
    records = [block.raw(at) for at in range(len(block.first_lines))]
    try:
        texts = [record.decode() for record in records]
        return list(csv.reader(texts, delimiter=delimiter.decode()))
    except (csv.Error, UnicodeDecodeError):
        return None


def _read_arrow(
    text: pa.Buffer, names: list[str], delimiter: str, block: Block
) -> tuple[pa.Table, dict[int, int]]:
    widths: dict[int, int] = {}

    def note_ragged(row: arrow_csv.InvalidRow) -> str:
        widths[row.number - 1] = row.actual_columns
        return "skip"

    table = arrow_csv.read_csv(
        pa.BufferReader(text),
        # One Arrow block, one thread: only then does an invalid row know its number.
        read_options=arrow_csv.ReadOptions(
            use_threads=False, block_size=text.size + 1, column_names=names
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if block.has_quotes else False,
            newlines_in_values=len(block.first_lines) < block.lines,
            ignore_empty_lines=False,  # skipping them would shift the numbers
            invalid_row_handler=note_ragged,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            check_utf8=False,  # the whole file was proved to be when it was opened
        ),
    )
    return table, widths


def blank_rows(columns: Sequence[pa.StringArray]) -> Rows:
    """Rows all of whose cells hold nothing but space."""
    if _are_few_and_filled(columns[0]):
        return np.empty(0, dtype=np.int64)
    rows = np.arange(len(columns[0]))
    for column in columns:
        cells = column if len(rows) == len(column) else column.take(pa.array(rows))
        is_blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(cells)), 0)
        rows = rows[_flags(is_blank)]
        if len(rows) == 0:
            break
    return rows


def _are_few_and_filled(column: pa.StringArray) -> bool:
    """True for a few cells that each hold something to be seen beyond doubt."""
    return len(column) <= FEW and all(
        cell.isascii() and cell.isprintable() and cell.strip(" ") for cell in column.to_pylist()
    )


def equal_rows(columns: Sequence[pa.StringArray], cells: Sequence[str]) -> Rows:
    """Rows that hold exactly `cells`."""
    if len(columns[0]) <= FEW and cells[0] not in columns[0].to_pylist():
        return np.empty(0, dtype=np.int64)
    rows = np.arange(len(columns[0]))
    for column, cell in zip(columns, cells, strict=True):
        compared = column if len(rows) == len(column) else column.take(pa.array(rows))
        rows = rows[_flags(pc.equal(compared, pa.scalar(cell, pa.string())))]
        if len(rows) == 0:
            break
    return rows


def longest_cell(columns: Sequence[pa.StringArray]) -> int:
    """Bytes of the longest cell, 0 when there is none."""
    lengths = (pc.max(pc.binary_length(column)).as_py() or 0 for column in columns)
    return max(lengths, default=0)


def without_rows(columns: Sequence[pa.StringArray], rows: Rows) -> list[pa.StringArray]:
    """The columns without `rows`."""
    stays = np.ones(len(columns[0]), dtype=np.bool_)
    stays[rows] = False
    return [column.filter(pa.array(stays)) for column in columns]


def _parsable(block: Block) -> pa.Buffer:
    """The block's text with its rewritten records."""
    text = pa.py_buffer(block.text).slice(0, int(block.starts[-1]))
    if not block.rewritten and not block.text.startswith(_BOM):
        return text
    pieces: list[bytes] = []
    done = 0
    for record, rewritten in sorted(block.rewritten.items()):
        pieces += [block.text[done : block.starts[record]], rewritten]
        done = int(block.starts[record + 1])
    joined = b"".join([*pieces, block.text[done : block.starts[-1]]])
    # Arrow drops one byte order mark; here it is part of a cell, so one is given to be dropped.
    return pa.py_buffer(_BOM + joined if joined.startswith(_BOM) else joined)


def _whole(column: pa.ChunkedArray) -> pa.StringArray:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _flags(array: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = array.to_numpy(zero_copy_only=False)
    return flags

"""From the text of whole records to Arrow columns, and the rows among them that are no data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pipeline.formats.structure import Block

Rows = npt.NDArray[np.int64]


def parse_cells(
    block: Block, width: int, delimiter: bytes
) -> tuple[list[pa.StringArray], Rows, dict[int, int]]:
    """Parse the balanced records of `block`.

    Returns the columns, the record each row came from, and for records that have not `width` cells
    how many they have.
    """
    kept = np.arange(len(block.first_lines))
    if block.unbalanced:
        kept = np.delete(kept, block.unbalanced)
    names = [str(at) for at in range(width)]
    if len(kept) == 0:
        return [pa.array([], pa.string()) for _ in names], kept, {}
    widths: dict[int, int] = {}

    def note_ragged(row: arrow_csv.InvalidRow) -> str:
        widths[row.number - 1] = row.actual_columns
        return "skip"

    text = _parsable(block)
    table = arrow_csv.read_csv(
        pa.BufferReader(text),
        # One Arrow block, one thread: only then does an invalid row know its number.
        read_options=arrow_csv.ReadOptions(
            use_threads=False, block_size=text.size + 1, column_names=names
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter.decode(),
            quote_char='"' if block.has_quotes else False,
            newlines_in_values=bool(block.rewritten),
            ignore_empty_lines=False,  # skipping them would shift the numbers
            invalid_row_handler=note_ragged,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    ragged = {int(kept[row]): cells for row, cells in widths.items()}
    return [_whole(column) for column in table.columns], np.delete(kept, list(widths)), ragged


def blank_rows(columns: Sequence[pa.StringArray]) -> Rows:
    """Rows all of whose cells hold nothing but space."""
    rows = np.arange(len(columns[0]))
    for column in columns:
        cells = column if len(rows) == len(column) else column.take(pa.array(rows))
        is_blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(cells)), 0)
        rows = rows[_flags(is_blank)]
        if len(rows) == 0:
            break
    return rows


def equal_rows(columns: Sequence[pa.StringArray], cells: Sequence[str]) -> Rows:
    """Rows that hold exactly `cells`."""
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
    """The block's text without unbalanced records, doubtful ones in plain quoting."""
    text = pa.py_buffer(block.text).slice(0, int(block.starts[-1]))
    if not block.unbalanced and not block.rewritten:
        return text
    pieces: list[bytes | pa.Buffer] = []
    done = 0
    for record in sorted([*block.unbalanced, *block.rewritten]):
        start, end = int(block.starts[record]), int(block.starts[record + 1])
        pieces.append(text.slice(done, start - done))
        pieces.append(block.rewritten.get(record, b""))
        done = end
    pieces.append(text.slice(done))
    return pa.py_buffer(b"".join(pieces))


def _whole(column: pa.ChunkedArray) -> pa.StringArray:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _flags(array: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = array.to_numpy(zero_copy_only=False)
    return flags

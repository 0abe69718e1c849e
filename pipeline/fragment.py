"""Whether a file of delimited text is the continuation of another: its second part, without header.

A sender that closes, pauses and opens again by name leaves one, when the first part was taken
meanwhile. Said only on the evidence of cells: better two files than one that is called half.
"""

from __future__ import annotations

import re

from pipeline.ends.row import begins_alike, cells_of, delimiter_of

_LINE_ENDS = re.compile(r"\r\n|\n|\r")
_ROWS_ASKED = 20


def continues(head: bytes, tail: bytes, following: bytes) -> bool:
    """Tell whether `following`, a file's first bytes, goes on where another file ends.

    head, tail: the first and the last bytes of that file; the tail is whole or begins anywhere.
    """
    first, last, new = (_lines(part) for part in (head, tail, following))
    if len(first) < 2 or not new[0].strip() or new[0] == first[0]:
        return False
    rows = [line for line in first[1:-1] if line.strip()][:_ROWS_ASKED]
    delimiter = delimiter_of([first[0], *rows]) if rows else None
    if delimiter is None:
        return False
    header, width = cells_of(first[0], delimiter), len(cells_of(rows[0], delimiter) or ())
    known = [cells for row in rows if (cells := cells_of(row, delimiter)) and len(cells) == width]
    if header is None or len(header) != width or not known:
        return False
    if last[-1]:  # the first part ends within a row: both halves must make one
        joined = cells_of(last[-1] + new[0], delimiter) or []
        alone = cells_of(new[0], delimiter) or []
        return len(joined) == width and len(alone) < width and begins_alike(joined, known)
    alone = cells_of(new[0], delimiter) or []
    is_row = len(alone) == width and begins_alike(alone, known)
    return is_row and not begins_alike(header, known)


def _lines(part: bytes) -> list[str]:
    """Lines of text in UTF-8 or any code page that agrees with ASCII; the last may be empty."""
    return _LINE_ENDS.split(part.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))

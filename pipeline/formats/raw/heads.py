"""What stands above a table though it splits as the table does: settings, comments, ruled lines."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.formats.raw.columns import ColumnModel, models_of
from pipeline.formats.raw.headers import could_be_names, judge
from pipeline.formats.raw.lexer import Lines, RawRecord
from pipeline.formats.raw.tableparts import count_filled, usual_width

_COMMENT_MARKS = ("#", "//", "--", "%", "!", "@", "*", ";", ">")
_FENCE = "---"
_FENCED_LINES = 200
_LOOKED_AT = 16
_LEARNED = 60
_LEAST_BLOCK = 4  # a header and three rows
_OF_MAIN = 0.5
_RULE = frozenset("-=_+~*")


def front_matter(lines: Lines) -> int:
    """How many lines a block of settings between two lines `---` takes at the file's start."""
    texts = lines.texts
    if not texts or texts[0].strip() != _FENCE:
        return 0
    for at in range(1, min(len(texts) - 1, _FENCED_LINES)):
        if texts[at].strip() == _FENCE:
            return at + 1
        if texts[at].strip() and ":" not in texts[at] and not texts[at].lstrip().startswith("-"):
            return 0
    return 0


def leading_comments(records: Sequence[RawRecord], lines: Lines, width: int) -> int:
    """How many records at the start are comments: they begin with a mark that no row begins with.

    The last of them may name the columns (`#id,name`): it does not count when the record below it
    does not name them.
    """
    texts = [lines.texts[record.line].lstrip() for record in records[: 4 * _LOOKED_AT]]
    mark = next((one for one in _COMMENT_MARKS if texts and texts[0].startswith(one)), None)
    if mark is None:
        return 0
    count = next((at for at, text in enumerate(texts) if not text.startswith(mark)), len(texts))
    below = texts[count:]
    if not below or any(text.startswith(mark) for text in below[:-1]):
        return 0
    last = records[count - 1]
    if len(last.cells) != width or count_filled(last.cells) != width:
        return count
    rows = [record.cells for record in records[count:] if len(record.cells) == width][:_LEARNED]
    if len(rows) > 1 and could_be_names(rows[0]):
        verdict = judge(rows[0], models_of(rows[1:], width))
        if verdict.is_header and verdict.data == 0:
            return count
    return count - 1


def is_rule(cells: Sequence[str]) -> bool:
    """True for a line drawn below a header: `--;----;---`."""
    texts = [cell.strip() for cell in cells]
    return all(len(text) > 1 and set(text) <= _RULE for text in texts)


def header_below(
    records: Sequence[RawRecord],
    fits: Sequence[bool],
    gaps: Sequence[bool],
    first: int,
    last: int,
) -> int:
    """Index of a header further below when the records above it are settings, else `first`.

    Settings (`Operator:,Miller,,`) have cells as the table has, but fewer filled ones or a blank
    line below them, and none that fits the columns below the true header.
    """
    width = len(records[first].cells)
    if width < 2:
        return first
    named = _is_full(records[first].cells, width)
    for at in range(first + 1, min(first + _LOOKED_AT, last - 1)):
        cells = records[at].cells
        if not fits[at] or (named and not gaps[at]) or not _is_full(cells, width):
            continue
        rows = [records[i].cells for i in range(at + 1, last + 1) if fits[i]][:_LEARNED]
        if len(rows) < 2:
            return first
        models = models_of(rows, width)
        verdict = judge(cells, models)
        above = [records[i].cells for i in range(first, at) if fits[i]]
        sparse = any(count_filled(row) < width for row in above)
        strong = any(model.strong is not None for model in models)
        if not (verdict.is_header and verdict.names >= 1 and verdict.data == 0 and strong):
            continue
        if (sparse or gaps[at]) and all(is_setting(row, models) for row in above):
            return at
    return first


def _is_full(cells: Sequence[str], width: int) -> bool:
    names = [cell.strip() for cell in cells]
    return len(names) == width and all(names) and len(set(names)) == width and could_be_names(names)


def is_setting(cells: Sequence[str], models: Sequence[ColumnModel]) -> bool:
    """True for a record that misfits more columns than it fits, of those that prove something."""
    misfits = fits = 0
    if len(cells) != len(models):
        return True
    for cell, model in zip(cells, models, strict=True):
        if not cell.strip():
            misfits += model.filled > 0 and model.empty == 0
        elif model.strong is not None:
            conforms = model.conforms(cell)
            fits += conforms
            misfits += not conforms
    return misfits > fits


def main_width(records: Sequence[RawRecord]) -> int:
    """How many columns the table has that is meant: the first of several, when it is one at all."""
    usual = usual_width(records)
    at = 0
    while at < len(records):
        size = _block_size(records, at)
        width = len(records[at].cells)
        if width == usual:
            return usual
        if width > 1 and size >= _LEAST_BLOCK and _is_table(records[at : at + size]):
            most = sum(len(record.cells) == usual for record in records)
            return width if size >= _OF_MAIN * most else usual
        at += size
    return usual


def _block_size(records: Sequence[RawRecord], at: int) -> int:
    width, size = len(records[at].cells), 1
    while at + size < len(records) and len(records[at + size].cells) == width:
        size += 1
    return size


def _is_table(records: Sequence[RawRecord]) -> bool:
    if any(record.broken for record in records) or not could_be_names(records[0].cells):
        return False
    rows = [record.cells for record in records[1 : 1 + _LEARNED]]
    verdict = judge(records[0].cells, models_of(rows, len(rows[0])))
    full = count_filled(records[0].cells) == len(records[0].cells)
    return full and verdict.is_header and verdict.data == 0 and verdict.names >= 1

"""What stands above a table though it splits as the table does: settings, comments, ruled lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import compress

from pipeline.formats.raw.celltypes import TEXT, TYPED, WORD, kind_of
from pipeline.formats.raw.columns import ColumnModel, models_of
from pipeline.formats.raw.headers import could_be_names, judge
from pipeline.formats.raw.lexer import Lines, RawRecord
from pipeline.formats.raw.records import Records
from pipeline.formats.raw.tableparts import count_filled, usual_width

_COMMENT_MARKS = ("#", "//", "--", "%", "!", "@", "*", ";", ">")
_REMARK = re.compile(r"\s*#(?:[\s#]|$)")
_FENCE = "---"
_FENCED_LINES = 200
_LOOKED_AT = 16
_LEARNED = 60
_LEAST_BLOCK = 4  # a header and three rows
_OF_MAIN = 0.5
_RULE = frozenset("-=_+~*")


def is_remark(text: str) -> bool:
    """True for a line that begins as remarks do, and hardly any row: `# made in May`, `##`."""
    return _REMARK.match(text) is not None


def without_remarks(records: Records, lines: Lines, width: int | None) -> tuple[Records, list[int]]:
    """Records without the remarks that stand among them, and the lines of these, 0 for the first.

    width: of the table when it is known. Remarks at the start are left where they are.
    """
    texts = lines.texts
    if not any("#" in text for text in texts):
        return records, []
    marked = ["#" in texts[line] and is_remark(texts[line]) for line in records.line]
    if True not in marked or False not in marked:
        return records, []
    if width is None:
        rest = records.without(marked)
        filled = rest.without(rest.blanks())
        width = main_width(filled if len(filled) else rest)
    begins = marked.index(False)
    out = [
        at > begins and mark and many != width
        for at, (mark, many) in enumerate(zip(marked, records.widths, strict=True))
    ]
    return records.without(out), [*compress(records.line, out)]


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


def leading_comments(records: Records, lines: Lines, width: int) -> int:
    """How many records at the start are comments: they begin with a mark that no row begins with.

    The last of them may name the columns (`#id,name`): it does not count when the record below it
    does not name them.
    """
    texts = [lines.texts[line].lstrip() for line in records.line[: 4 * _LOOKED_AT]]
    mark = next((one for one in _COMMENT_MARKS if texts and texts[0].startswith(one)), None)
    if mark is None:
        return 0
    count = next((at for at, text in enumerate(texts) if not text.startswith(mark)), len(texts))
    below = texts[count:]
    if not below or any(text.startswith(mark) for text in below[:-1]):
        return 0
    last = records.cells[count - 1]
    if len(last) != width or count_filled(last) != width:
        return count
    rows = [cells for cells in records.cells[count:] if len(cells) == width][:_LEARNED]
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
    records: Records,
    fits: Sequence[bool],
    gaps: Sequence[bool],
    first: int,
    last: int,
) -> int:
    """Index of a header further below when the records above it are settings, else `first`.

    Settings (`Operator:,Miller,,`) have cells as the table has, but fewer filled ones or a blank
    line below them, and none that fits the columns below the true header.
    """
    width = len(records.cells[first])
    if width < 2:
        return first
    named = _is_full(records.cells[first], width)
    for at in range(first + 1, min(first + _LOOKED_AT, last - 1)):
        cells = records.cells[at]
        if not fits[at] or not _is_full(cells, width):
            continue
        above = [records.cells[i] for i in range(first, at) if fits[i]]
        sparse = any(count_filled(row) < width for row in above)
        apart = gaps[at] or (sparse and not named)
        labelled = _are_labelled(above)
        if not apart and not labelled:
            continue
        rows = [records.cells[i] for i in range(at + 1, last + 1) if fits[i]][:_LEARNED]
        if len(rows) < 2:
            return first
        models = models_of(rows, width)
        if not _heads(cells, models):
            continue
        if apart and all(is_setting(row, models) for row in above):
            return at
        if labelled and models[0].strong in TYPED:
            return at
    return first


def _heads(cells: Sequence[str], models: Sequence[ColumnModel]) -> bool:
    verdict = judge(cells, models)
    strong = any(model.strong is not None for model in models)
    return verdict.is_header and verdict.names >= 1 and verdict.data == 0 and strong


def _are_labelled(rows: Sequence[Sequence[str]]) -> bool:
    """True for settings that fill the table's width: a label first, a value behind one at least."""
    labels = [row[0].strip() for row in rows]
    if len(labels) < 2 or len(set(labels)) < len(labels):
        return False
    if not all(kind_of(label) in (WORD, TEXT) for label in labels):
        return False
    return any(kind_of(cell) in TYPED for row in rows for cell in row[1:])


def below_titles(records: Records, fits: Sequence[bool], first: int, last: int) -> int | None:
    """Index of a full line of names right below titles, each of them alone in the first cell.

    Titles (`Travel of ministers,,,`) are of the table's width when a spreadsheet wrote them.
    """
    width = len(records.cells[first])
    for at in range(first, min(first + _LOOKED_AT, last)):
        cells = records.cells[at]
        if at > first and fits[at] and _is_full(cells, width):
            return at
        if not fits[at] or count_filled(cells) != 1 or not cells[0].strip():
            return None
    return None


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


def main_width(records: Records) -> int:
    """How many columns the table has that is meant: the first of several, when it is one at all."""
    usual = usual_width(records)
    at = 0
    while at < len(records):
        width = records.widths[at]
        if width == usual:
            return usual
        size = _block_size(records.widths, at)
        if width > 1 and size >= _LEAST_BLOCK and _is_table(records[at : at + size]):
            return width if size >= _OF_MAIN * records.widths.count(usual) else usual
        at += size
    return usual


def _block_size(widths: Sequence[int], at: int) -> int:
    """How many records from `at` on have the same width."""
    size = 1
    while at + size < len(widths) and widths[at + size] == widths[at]:
        size += 1
    return size


def _is_table(records: Sequence[RawRecord]) -> bool:
    if any(record.broken for record in records) or not could_be_names(records[0].cells):
        return False
    rows = [record.cells for record in records[1 : 1 + _LEARNED]]
    verdict = judge(records[0].cells, models_of(rows, len(rows[0])))
    full = count_filled(records[0].cells) == len(records[0].cells)
    return full and verdict.is_header and verdict.data == 0 and verdict.names >= 1

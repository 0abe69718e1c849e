"""Column names from a header line that does not have as many cells as the rows below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pipeline.formats.raw.celltypes import CODE, DATE, NUMBER, TIME, WEB, short_mask
from pipeline.formats.raw.columns import ColumnModel
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.headers import SPLIT, is_name_word
from pipeline.formats.raw.lexer import Lexer
from pipeline.formats.raw.quoteways import Quoted, Way, parted, ways

_PLAIN = 1.2
_SHIFTED = 1.0  # names say what stands in the column beside theirs
_NAMELESS_FIRST, _NAMELESS_LAST = 2.0, 0.9
_LONGEST_NAME = 60
_ID = re.compile(r"\b(?:id|no|nr|key|code|index|number|num|case|row)\b|id$|^#")
_SAID = (
    (DATE, re.compile(r"date|datum|fecha|birth|\bday\b")),
    (TIME, re.compile(r"time\b|uhrzeit|\bhour")),
    (WEB, re.compile(r"e-?mail|\burl|link\b|website|homepage")),
    (NUMBER, re.compile(r"price|qty|quantity|amount|count|total|\bage\b|year|lat\b|lon\b|percent")),
)
_WIDE_GAP = re.compile(r"\t+| {2,}")
_WIDER = 0.4  # names of several words, parted by more than one blank
_OTHERS = (";", ",", "\t", "|", " ")


def names_in(text: str, dialect: RawDialect, width: int) -> list[str] | None:
    """The names, one for each of `width` columns; None when no reading has so many.

    There may be more names than columns.
    """
    readings = _readings(text, dialect)
    readings += parted(text, dialect, width)
    marks = [mark for mark in (dialect.delimiter, dialect.quote) if mark and mark.strip()]
    for other in _OTHERS:
        if other != dialect.delimiter and other in text:
            other_dialect = replace(dialect, delimiter=other, skip_space=False)
            dear = 3.0 if dialect.delimiter and dialect.delimiter in text else 0.5
            dear += 0.5 * (other == " ")
            readings += [
                (price + dear, cells)
                for price, cells in _readings(text, other_dialect)
                if not any(mark in cell for cell in cells for mark in marks)
            ]
    if dialect.delimiter in (" ", ""):
        readings.append((_WIDER, [name for name in _WIDE_GAP.split(text.strip()) if name]))
    exact = [way for way in readings if len(way[1]) == width and all(map(str.strip, way[1]))]
    if exact:
        return min(exact)[1]
    for _, cells in sorted(readings):
        filled = [cell for cell in cells if cell.strip()]
        if len(cells) > width and len(filled) == width:
            return filled
    same = [way for way in readings if len(way[1]) == width]
    if same:
        return min(same)[1]
    near = [way for way in readings if width - 1 <= len(way[1]) < width and len(way[1]) > 1]
    if near:
        return [*min(near)[1], ""]
    plain = readings[0][1] if readings else []
    return plain if width < len(plain) <= 2 * width and all(map(str.strip, plain)) else None


def placed(names: list[str], models: Sequence[ColumnModel]) -> list[str]:
    """Names that are one too few, the last of them empty, in the likeliest place.

    Rows may begin with a column that has no name, as R writes them; a name may be two that have
    lost their separator; or the last column has none.
    """
    if names[-1] or len(names) != len(models):
        return names
    told = names[:-1]
    found = [(_NAMELESS_LAST + _agreement(names, models), names)]
    cuts = [(seam, cut, _agreement(cut, models)) for seam, cut in _cuts(told)]
    if not models[-1].filled:  # most likely, closing delimiters made it: values must say otherwise
        least = found[0][0] - _NAMELESS_LAST + _SHIFTED
        cuts = [one for one in cuts if one[2] >= least]
    elif _counts(models[0]) and not _ID.search(told[0].lower()):
        nameless = ["", *told]
        found.append((_NAMELESS_FIRST + _agreement(nameless, models), nameless))
    found += [(seam + agreement, cut) for seam, cut, agreement in cuts]
    return max(found, key=lambda one: one[0])[1]


def _counts(first: ColumnModel) -> bool:
    """True for a column that may number the rows, or name them."""
    return first.strong in (None, NUMBER, CODE) and len(first.values) == first.filled


def _agreement(names: Sequence[str], models: Sequence[ColumnModel]) -> float:
    """How many names say what kind of values stand below them, less those that say another."""
    total = 0.0
    for name, model in zip(names, models, strict=True):
        said = next((kind for kind, words in _SAID if words.search(name.lower())), None)
        if said is not None and model.strong is not None:
            total += 1.0 if said == model.strong else -0.5
    return total


def _cuts(names: Sequence[str]) -> list[tuple[float, list[str]]]:
    """Each way to cut one name in two that looks like two."""
    found = []
    for at, name in enumerate(names):
        if isinstance(name, Quoted):
            continue
        for cut in range(1, min(len(name.rstrip()), _LONGEST_NAME)):
            seam = _seam(names, at, cut)
            if seam >= _PLAIN:
                found.append((seam, [*names[:at], name[:cut], name[cut:], *names[at + 1 :]]))
    return found


def _seam(names: Sequence[str], at: int, cut: int) -> float:
    """How plainly two names meet at a place within the name at `at`."""
    left, right = names[at][:cut], names[at][cut:]
    if left[-1] in " _-" or right[0] in " _-":
        return 0.0
    shapes = [short_mask(name) for i, name in enumerate(names) if i != at and name.strip()]
    known = is_name_word(left) + is_name_word(right)
    plain = 0.75 * known
    if short_mask(left) in shapes and short_mask(right) in shapes:
        if left[-1].isdigit() != right[0].isdigit():
            plain += 1.5
        elif left[-1].islower() and right[0].isupper():
            plain += 1.5 if known < 2 and short_mask(left + right) not in shapes else 0.5
        else:
            plain += 0.5 + 0.25 * (right[0].isupper() and right[1:2].islower())
    elif _first_word(left) == _first_word(right):
        plain += 0.5  # names of one family
    return plain


def _first_word(name: str) -> str:
    return next(filter(None, SPLIT.split(name)), "")


def _readings(text: str, dialect: RawDialect) -> list[Way]:
    if dialect.quote is not None and dialect.quote in text:
        return ways(text, dialect)
    return [(0.0, Lexer(dialect).split(text))]

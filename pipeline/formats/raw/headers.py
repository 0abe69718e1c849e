"""Whether records name the columns of the rows below them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.formats.raw.celltypes import CODE, DATE, NUMBER, TEXT, TIME, WEB, WORD, kind_of
from pipeline.formats.raw.columns import ColumnModel

_YEAR = re.compile(r"(?:19|20)\d\d(?:[/-]\d\d(?:\d\d)?)?|Q[1-4](?:[ -/]?\d{2,4})?")
_NAME = re.compile(r"[#_]?[^\W\d][\w ./()%#°µ²³:&+*'’?$€\[\]-]{0,60}")
_SNAKE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]*)+|[A-Z]+(?:_[A-Z0-9]+)+")
_COMMON_NAMES = """
id code name date time type status value amount price total number no nr address street
city state country zip postcode postal email phone tel fax url link website description
comment comments note notes title first last surname forename gender sex age birth dob
year month day lat latitude lon long lng longitude unit units quantity qty result test
patient category class group department region area start end created updated modified
source target count sum avg mean min max percent rate score rank index key label text
message user username password role company organisation organization supplier customer
product item order invoice account transaction reference ref currency net gross vat file
path size length width height weight color colour language version nom prénom prenom
adresse ville pays datum betrag anzahl ort straße strasse vorname nachname plz telefon
bezeichnung nombre apellido fecha ciudad codigo data nome valor cognome indirizzo importe
"""
_WORDS = frozenset(_COMMON_NAMES.split())
SPLIT = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
"""Where one word of a name ends."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far a record names columns: for: reasons for; against: reasons against."""

    names: float
    data: float

    @property
    def is_header(self) -> bool:
        """True when more speaks for names than for data."""
        return self.names > self.data


def judge(
    cells: Sequence[str], models: Sequence[ColumnModel], *, in_series: bool = False
) -> Verdict:
    """Weigh whether `cells` name the columns that `models` describe.

    in_series: the rows below count something up themselves, so that 1 2 3 proves nothing.
    """
    names = data = 0.0
    series = is_series(cells) and not in_series
    for cell, model in zip(cells, models, strict=False):
        text = cell.strip()
        if not text or not model.filled:
            continue
        strong, kind = model.strong, kind_of(text)
        if strong is not None:
            if not model.conforms(text):
                names += 1.0 if kind in (WORD, TEXT, CODE) or series else 0.4
            elif not (series and kind in (NUMBER, DATE)):
                data += 1.2
        else:
            more, less = _of_text(text, model, kind)
            names += more
            data += less
    if len({cell.strip() for cell in cells if cell.strip()}) < sum(bool(c.strip()) for c in cells):
        names -= 0.3
    known = sum(is_name_word(cell) for cell in cells)
    return Verdict(names + min(2.0, 0.5 * known), data)


def _of_text(text: str, model: ColumnModel, kind: str) -> tuple[float, float]:
    """Reasons for and against, in a column of text."""
    if kind in (NUMBER, DATE, TIME, WEB) and not _YEAR.fullmatch(text):
        return 0.0, 0.5
    if model.values[text]:
        return 0.0, 0.9 if model.count > 1 else 0.3
    repeats = 1 - len(model.values) / max(1, model.filled)
    more = 0.05 + 0.5 * repeats
    if model.length and len(text) * 2.5 < model.length:
        more += 0.3
    elif len(text) > 2.5 * model.length and len(text) > 12:
        more += 0.2
    if _SNAKE.fullmatch(text):
        more += 0.3
    less = 0.0
    if len(text) > 70 or (kind == TEXT and text.endswith((".", "!"))):
        less += 0.4
    return more, less


def is_name_word(cell: str) -> bool:
    """True for a label with a word that many tables name a column by."""
    text = cell.strip()
    if not text or len(text) > 40 or not _NAME.fullmatch(text):
        return False
    return any(word.lower() in _WORDS for word in SPLIT.split(text) if word)


def is_series(cells: Sequence[str]) -> bool:
    """True when the numbers among labels count something up: years, 1 2 3, dates."""
    texts = [cell.strip() for cell in cells if kind_of(cell) in (NUMBER, DATE)]
    if not texts or len(set(texts)) < len(texts):
        return False
    if all(map(_YEAR.fullmatch, texts)) and len(texts) > 1:
        return True
    if len(texts) > 2 and all(text.isascii() and text.isdigit() for text in texts):
        numbers = list(map(int, texts))
        steps = {second - first for first, second in pairwise(numbers)}
        return len(steps) == 1 and steps.pop() in (1, -1, 5, 10)
    return False


def could_be_names(cells: Sequence[str]) -> bool:
    """True for cells that by themselves could be names: short texts, none of them a value."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return False
    kinds = [kind_of(cell) for cell in filled]
    values = sum(kind in (NUMBER, DATE, TIME, WEB) for kind in kinds)
    if values and not is_series(filled):
        return False
    return all(len(cell) <= 100 for cell in filled)

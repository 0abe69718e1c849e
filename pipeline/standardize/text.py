"""Text is kept as given: only what nobody can see is cleaned, and every change is counted.

Cleaning and missing words come before every other kind of value. Folding is for comparing names
and codes, never for output.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import FileCode, RowCode
from pipeline.standardize.base import Converted, Question, Rows
from pipeline.standardize.distinct import Distinct, is_true, put, read_distinct
from pipeline.standardize.textbytes import (
    both,
    bytes_of,
    rows_beyond_ascii,
    rows_of_at_most,
    rows_of_unusual_text,
    rows_with_outer_space,
    without,
)
from pipeline.standardize.textdamage import (
    DAMAGE_HINT,
    FOREIGN_HINT,
    is_damaged,
    is_mixed_script,
    repaired,
)
from pipeline.standardize.wholetexts import (
    FEW,
    few_joined,
    few_whole,
    is_read_alike,
    match_pattern,
    match_whole,
    matches_whole,
)

# Joiners are letters' business in scripts from Hebrew on (Persian, Hindi) and in emoji; elsewhere
# they are as invisible and meaningless as the others.
_JOINING = (
    "\u0590-\u1fff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc\ufe0f\u2600-\u27bf\U00010000-\U0010ffff"
)
_ZERO_WIDTH = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    f"|(?<![{_JOINING}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINING}])"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f]")  # line breaks and tabs inside a cell are text
_CONTROL_SPACE = re.compile("[\x0b\x0c\x1c-\x1f]")  # a line break of word processors
_UNSEEN = re.compile(  # any of the three above, and joiners in their place
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_SPACES = r"\s\p{Z}\x0b\x{85}\x1c-\x1f"
_SUSPECT = (
    rf"\A[{_SPACES}]|[{_SPACES}]\z|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{{ad}}\x{{180e}}"
    r"\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{feff}]"
)
"""RE2 pattern of texts that cleaning may change, composition (NFC) apart."""
SPREADSHEET_ERROR = r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!)"
_COMPOSABLE = r"[^\x00-\x{2ff}]"  # characters below U+0300 are composed already
_NONE: Rows = np.zeros(0, dtype=np.int64)
_ONE_BY_ONE = 500  # texts
_FEW = 4  # when fewer than one in so many may be meant, only those are looked at
Test = Callable[[str], bool]


class _Cleaned(NamedTuple):
    text: str
    reasons: tuple[str, ...]


_PLAIN_REASONS = {  # is trimmed, is composed
    (False, False): (),
    (True, False): ("trimmed",),
    (False, True): ("nfc",),
    (True, True): ("trimmed", "nfc"),
}


def clean(values: pa.StringArray) -> tuple[pa.StringArray, dict[str, Rows]]:
    """Trim all Unicode space, compose (NFC), take out zero-width and control characters.

    Returns the array and the rows that changed, by reason: "trimmed", "nfc", "zero-width",
    "control-removed". Space, tabs and line breaks inside a cell stay.
    """
    if len(values) <= FEW:
        return (values, {}) if _are_plain(values) else _clean_few(values)
    touched = both(rows_of_unusual_text(values), rows_with_outer_space(values))
    if len(touched) * _FEW > len(values):
        return _clean_all(values)
    texts, changed = _clean_all(values.take(pa.array(touched)))
    if not changed:
        return values, {}
    return put(values, touched, texts), {reason: touched[rows] for reason, rows in changed.items()}


def _clean_all(values: pa.StringArray) -> tuple[pa.StringArray, dict[str, Rows]]:
    """As `clean`, of texts many of which need it."""
    changed: dict[str, Rows] = {}
    unusual = rows_of_unusual_text(values)
    if 0 < len(unusual) <= _ONE_BY_ONE:
        values = _clean_each(values, unusual, changed)
    elif len(unusual):
        values = _clean_unusual(values, unusual, changed)
    padded = rows_with_outer_space(values)
    if len(padded):
        _add(changed, "trimmed", padded)
        values = pc.ascii_trim(values, characters=" ")
    return values, changed


def _are_plain(values: pa.StringArray) -> bool:
    """True for texts of printable ASCII without space around them: all is to be seen."""
    joined = few_joined(values)
    if not (joined.isascii() and joined.isprintable()):
        return False
    return " " not in joined or all(
        text is None or text.strip(" ") == text for text in values.to_pylist()
    )


_UNUSUAL = re.compile("[^ -~\u00c0-\u02ff]")


def _clean_few(values: pa.StringArray) -> tuple[pa.StringArray, dict[str, Rows]]:
    """As `_clean_all`, of so few texts that Python is done before Arrow begins."""
    texts = values.to_pylist()
    found: dict[str, list[int]] = {}
    usual = []
    for row, text in enumerate(texts):
        if text is None:
            continue
        if _UNUSUAL.search(text) is None:
            usual.append(row)
            continue
        texts[row], reasons = _clean_one(text)
        for reason in reasons:
            found.setdefault(reason, []).append(row)
    for row in usual:
        text = texts[row].strip(" ")
        if text != texts[row]:
            texts[row] = text
            found.setdefault("trimmed", []).append(row)
    if not found:
        return values, {}
    changed = {reason: np.array(sorted(rows), dtype=np.int64) for reason, rows in found.items()}
    return pa.array(texts, pa.string()), changed


def _add(changed: dict[str, Rows], reason: str, rows: Rows) -> None:
    known = changed.get(reason)
    changed[reason] = rows if known is None else both(known, rows)


def text_bytes(values: pa.StringArray) -> int:
    """How many bytes all the texts have together."""
    _, offsets = bytes_of(values)
    return int(offsets[-1] - offsets[0])


def _clean_each(values: pa.StringArray, rows: Rows, changed: dict[str, Rows]) -> pa.StringArray:
    """Clean the rows of unusual text, which are so few that Python is done before Arrow begins."""
    cleaned = [_clean_one(text) for text in values.take(pa.array(rows)).to_pylist()]
    found: dict[str, list[int]] = {}
    for at, (_, reasons) in enumerate(cleaned):
        for reason in reasons:
            found.setdefault(reason, []).append(at)
    if not found:
        return values
    for reason, places in found.items():
        _add(changed, reason, rows[places])
    return put(values, rows, pa.array([text for text, _ in cleaned], pa.string()))


def _clean_unusual(values: pa.StringArray, rows: Rows, changed: dict[str, Rows]) -> pa.StringArray:
    """Clean the rows of unusual text; most need nothing."""
    texts = values.take(pa.array(rows))
    is_suspect = is_true(pc.match_substring_regex(texts, _SUSPECT))
    places, fresh = _composed(texts, np.flatnonzero(~is_suspect))
    if len(places):
        _add(changed, "nfc", rows[places])
        texts = put(texts, places, fresh)
    suspects = np.flatnonzero(is_suspect)
    if len(suspects):
        cleaned = read_distinct(texts.take(pa.array(suspects)), _clean_one)
        for reasons, found in cleaned.group(lambda answer: answer.reasons).items():
            for reason in reasons:
                _add(changed, reason, rows[suspects[found]])
        fresh = cleaned.spread(lambda answer: answer.text, pa.string())
        texts = fresh if len(suspects) == len(texts) else put(texts, suspects, fresh)
    return put(values, rows, texts) if changed else values


def _composed(texts: pa.StringArray, places: Rows) -> tuple[Rows, pa.StringArray]:
    """Which of the texts at these places are not composed (NFC), and what they are composed."""
    if not len(places):
        return places, texts.slice(0, 0)
    some = texts.take(pa.array(places))
    may_be = is_true(pc.match_substring_regex(some, _COMPOSABLE))
    places, before = places[may_be], some.filter(pa.array(may_be))
    composed = pc.utf8_normalize(before, form="NFC")
    differs = is_true(pc.not_equal(composed, before))
    return places[differs], composed.filter(pa.array(differs))


def _clean_one(text: str) -> _Cleaned:
    if _UNSEEN.search(text) is None:
        spaced = text.strip()
        composed = unicodedata.normalize("NFC", spaced)
        return _Cleaned(composed.strip(), _PLAIN_REASONS[spaced != text, composed != spaced])
    visible = _ZERO_WIDTH.sub("", text)
    spaced = _CONTROL_SPACE.sub(" ", _CONTROL.sub("", visible).strip())
    composed = unicodedata.normalize("NFC", spaced)
    reasons = {
        "trimmed": visible.strip() != visible,
        "nfc": composed != spaced,
        "zero-width": visible != text,
        "control-removed": _CONTROL.search(visible) is not None
        or _CONTROL_SPACE.search(visible.strip()) is not None,
    }
    return _Cleaned(composed.strip(), tuple(reason for reason, is_so in reasons.items() if is_so))


def nullify(values: pa.StringArray, missing_values: tuple[str, ...]) -> pa.StringArray:
    """Null where a cleaned cell is empty or is, letter by letter, one of `missing_values`.

    Nothing else is missing: a surname `Null` survives a list of [""], and 999 any list without it.
    """
    words, as_array, longest = _missing_words(tuple(missing_values))
    if len(values) <= FEW:
        texts = values.to_pylist()
        if words.isdisjoint(texts):
            return values
        return pa.array([None if text in words else text for text in texts], pa.string())
    short = rows_of_at_most(values, longest)
    if len(short) * _FEW < len(values):
        missing = short[is_true(pc.is_in(values.take(pa.array(short)), value_set=as_array))]
    else:
        missing = np.flatnonzero(is_true(pc.is_in(values, value_set=as_array)))
    return without(values, missing) if len(missing) else values


@lru_cache(maxsize=1_024)
def _missing_words(
    missing_values: tuple[str, ...],
) -> tuple[frozenset[str], pa.StringArray, int]:
    """The words as cleaned cells have them, the same as an array, and the most bytes one has."""
    words = frozenset({"", *(_clean_one(word).text for word in missing_values)})
    as_array = pa.array(sorted(words), pa.string())
    return words, as_array, max(len(word.encode()) for word in words)


class _FoldTable(dict[int, str]):
    """What becomes of each character when folding; worked out once for each.

    Letters, digits, marks and signs with a meaning in codes (+ % < > ° ±) stay, the rest is space.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code < 0x80:
            stays = character.isalnum() or character in "+%<>"
        else:
            stays = unicodedata.category(character)[0] in "LNMS"
        self[code] = character if stays else " "
        return self[code]


_FOLD_TABLE = _FoldTable()
_FOLD_TABLE.update(dict.fromkeys(map(ord, "-‐‑‒–—―−"), "-"))
_MINUS_AT_END = re.compile(r"[^\s-]\s*-[\s-]*\Z")
_SPACE_BEFORE_PLUS = re.compile(r" (?=\++\Z)")


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Fold a name or code for comparing: case, space and punctuation do not count.

    Whole words stay whole: "Four  times-daily" is "four times daily". A plus always counts, a
    minus only at the end, where it is a sign ("O+", "O -"), and ’ is as good as '.
    """
    decomposed = unicodedata.normalize("NFD", text).casefold()
    folded = unicodedata.normalize("NFC", decomposed).replace("i\u0307", "i")  # Turkish İ
    spaced = folded.translate(_FOLD_TABLE)
    words = _SPACE_BEFORE_PLUS.sub("", " ".join(spaced.replace("-", " ").split()))
    return f"{words}-" if _MINUS_AT_END.search(spaced) else words


def fold_array(values: pa.StringArray) -> pa.StringArray:
    """Fold every value; each distinct text once. Null stays null."""
    return read_distinct(values, fold).spread(lambda folded: folded, pa.string())


@dataclass(slots=True)
class TextEvidence:
    """What the texts of one column show: how many there are, and how many are damaged."""

    values: int = 0
    missing: int = 0
    not_ascii: int = 0
    damaged: int = 0
    repairable: int = 0

    def observe(self, values: pa.StringArray) -> None:
        """Count one batch of cleaned texts; null is missing."""
        missing = values.null_count
        self.values += len(values) - missing
        self.missing += missing
        special = rows_beyond_ascii(values)
        if len(special):
            self.not_ascii += len(special)
            damaged = _matching(values, special, DAMAGE_HINT, is_damaged)
            self.damaged += len(damaged)
            if len(damaged):
                undone = read_distinct(values.take(pa.array(damaged)), repaired)
                self.repairable += undone.count(lambda text: text is not None)

    def key(self) -> tuple[int, ...]:
        """All of it, equal for what shows the same."""
        return self.values, self.missing, self.not_ascii, self.damaged, self.repairable

    def merge(self, other: TextEvidence) -> None:
        """Add what `other` saw."""
        self.values += other.values
        self.missing += other.missing
        self.not_ascii += other.not_ascii
        self.damaged += other.damaged
        self.repairable += other.repairable

    def as_dict(self) -> dict[str, int]:
        """Counts as plain data."""
        counts = {
            "damaged": self.damaged,
            "missing": self.missing,
            "not-ascii": self.not_ascii,
            "repairable": self.repairable,
            "values": self.values,
        }
        return {name: count for name, count in counts.items() if count}


def decide_text(evidence: TextEvidence, *, column: str) -> list[Question]:
    """Return the questions a column of text raises: damage is never repaired without a yes."""
    damaged, values = evidence.damaged, evidence.values
    if not damaged:
        return []
    sentence = (
        f"{damaged} of {values} {'value' if values == 1 else 'values'} hold text that was decoded "
        "wrongly before (as é that became Ã©, or a character that was replaced)"
    )
    return [
        Question(
            code=FileCode.TEXT_DAMAGED,
            column=column,
            sentence=sentence,
            key=f"text:{column}",
            answers=_answers_to_damage(evidence.repairable, damaged),
        )
    ]


def _answers_to_damage(repairable: int, damaged: int) -> dict[str, str]:
    keep = {"keep": "deliver the text as it stands, marked"}
    if not repairable:
        return keep
    left = f"; {damaged - repairable} cannot be undone" if repairable < damaged else ""
    repair = f"undo the wrong decoding, in this and every file of this source{left}"
    return {"repair": repair, **keep}


def convert_string(
    values: pa.StringArray, *, pattern: str | None = None, identifier: bool = False
) -> Converted:
    """Keep cleaned text as it is; check it.

    pattern: regular expression the whole value must match, else PATTERN.
    identifier: mark values with letters that look Latin and are not (MIXED_SCRIPT).
    Damaged text (MOJIBAKE) is marked wherever it still comes here.
    Raises re.error when `pattern` is no regular expression.
    """
    result = _without_errors(values)
    values = result.values
    special = rows_beyond_ascii(values)
    marks = [(RowCode.MOJIBAKE, DAMAGE_HINT, is_damaged)]
    if identifier:
        marks.append((RowCode.MIXED_SCRIPT, FOREIGN_HINT, is_mixed_script))
    for code, hint, is_so in marks if len(special) else ():
        rows = _matching(values, special, hint, is_so)
        if len(rows):
            result.marked[code] = rows
    if pattern is not None:
        misfits = np.flatnonzero(~_match_whole(values, pattern))
        if len(misfits):
            result.bad[RowCode.PATTERN] = misfits
            result.values = put(values, misfits, pa.nulls(len(misfits), pa.string()))
    return result


def count_misfits(values: pa.StringArray, pattern: str) -> int:
    """How many values `convert_string` refuses by this pattern."""
    if len(values) <= FEW and is_read_alike(pattern):
        return sum(
            not matches_whole(text, pattern) or matches_whole(text, SPREADSHEET_ERROR)
            for text in values.to_pylist()
            if text is not None
        )
    return sum(map(len, convert_string(values, pattern=pattern).bad.values()))


def _without_errors(values: pa.StringArray) -> Converted:
    """Refuse what a spreadsheet writes where it has no value: #N/A, #REF!."""
    if len(values) <= FEW:
        broken = few_whole(values, SPREADSHEET_ERROR) if "#" in few_joined(values) else _NONE
    elif not (bytes_of(values)[0] == ord("#")).any():
        return Converted(values=values)
    else:
        broken = np.flatnonzero(is_true(match_whole(values, SPREADSHEET_ERROR)))
    if not len(broken):
        return Converted(values=values)
    return Converted(
        values=put(values, broken, pa.nulls(len(broken), pa.string())),
        bad={RowCode.TYPE_ERROR: broken},
    )


def _matching(values: pa.StringArray, rows: Rows, hint: str, is_so: Test) -> Rows:
    """Those of `rows` that the vector search `hint` finds and `is_so` confirms."""
    hinted = rows[is_true(pc.match_substring_regex(values.take(pa.array(rows)), hint))]
    if not len(hinted):
        return hinted
    tested: Distinct[bool] = read_distinct(values.take(pa.array(hinted)), is_so)
    return hinted[tested.rows(bool)]


def _match_whole(values: pa.StringArray, pattern: str) -> npt.NDArray[np.bool_]:
    """Where the whole text matches, or there is none. Digits and letters of classes are ASCII."""
    compiled = re.compile(pattern, re.ASCII)
    try:
        matches = match_pattern(values, pattern)
    except pa.ArrowInvalid:  # RE2 has no lookaround and no back-references; Python has
        found = read_distinct(values, lambda text: compiled.fullmatch(text) is not None)
        matches = found.spread(bool, pa.bool_())
    known = matches.fill_null(True) if matches.null_count else matches
    fits: npt.NDArray[np.bool_] = known.to_numpy(zero_copy_only=False)
    return fits

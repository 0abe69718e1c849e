"""Cells that say several things at once: `TID with food, as needed` is a code, a flag and a rest.

A code is recognised as whole words at the beginning of the cell, a flag as a whole phrase anywhere.
What is left over is kept as the rest. When the rest could turn the code's meaning (`daily or twice
daily`, `daily on weekdays`), nothing is taken apart and the cell stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.text import fold

_SEPARATORS = ",;()"
# What may follow a code without changing it: "with food" does not, "on weekdays" does. A rest that
# begins in any other way is not understood, and then the cell is not taken apart.
_EXPLANATIONS = (
    "with", "without", "before", "after", "for", "by mouth", "orally", "as directed", "ac", "pc",
    "on an empty stomach", "on empty stomach", "apply", "avoid", "under", "into", "in each",
    "in both", "in left", "in right", "in affected",
)  # fmt: skip
# Words by which even an explanation changes a schedule or takes it back.
_TURNS = frozenset(
    """or to and then but except unless until not alternating alternate oder und dann
    per every times once twice weekday weekdays weekend weekends dialysis
    """.split()  # noqa: SIM905 - a list of quotes is harder to read
)
_DURATION = re.compile(r"x ?\d{1,3} ?(?:d|days?|wks?|weeks?|months?)")  # x 7 days
_LONGEST_CODE_WORDS = 8

Lookup = Callable[[str], str | None]
"""The code of a folded text, None when it is none or more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseParts:
    """The parts of one cell. `code_text` is what should be looked up as the code, None for none."""

    code_text: str | None
    flags: frozenset[str] = frozenset()
    rest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseColumns:
    """Parts of a column's cells. A flag is true where its phrase stands and null elsewhere."""

    code_text: pa.StringArray
    flags: dict[str, pa.BooleanArray]
    rest: pa.StringArray


def split_phrases(
    values: pa.StringArray,
    *,
    flags: Mapping[str, Sequence[str]],
    lookup: Lookup,
    keep_rest: bool,
) -> PhraseColumns:
    """Take every cell of cleaned text apart.

    `flags`: field -> phrases that make it true. `keep_rest`: the contract has a field for words
    around the code; without it such cells stay whole.
    """
    phrases = {name: [fold(one) for one in words] for name, words in flags.items()}
    parts = read_distinct(
        values, lambda cell: read_phrase(cell, phrases, lookup, keep_rest=keep_rest)
    )
    return PhraseColumns(
        code_text=parts.spread(lambda part: part.code_text, pa.string()),
        flags={name: parts.spread(_flag(name), pa.bool_()) for name in flags},
        rest=parts.spread(lambda part: part.rest, pa.string()),
    )


def _flag(name: str) -> Callable[[PhraseParts], bool | None]:
    return lambda part: (name in part.flags) or None


def read_phrase(
    cell: str,
    flags: Mapping[str, Sequence[str]],
    lookup: Lookup,
    *,
    keep_rest: bool,
) -> PhraseParts:
    """Take one cell apart; when that is not safe, the whole cell is the text to look up.

    The phrases of `flags` are folded.
    """
    whole = PhraseParts(code_text=cell)
    if lookup(fold(cell)) is not None:
        return whole
    words = _words(cell)
    raised = set()
    reason_at: int | None = None  # how many words stand behind a flag: "prn pain" gives a reason
    for name, phrases in flags.items():
        for phrase in phrases:
            while (span := _find(words, phrase)) is not None:
                raised.add(name)
                reason_at = len(words) - span.stop
                words = words[: span.start] + words[span.stop :]
    count = _leading_code(words, lookup)
    code, rest = words[:count], words[count:]
    if code and rest and lookup(fold(_written(rest))) == lookup(fold(_written(code))):
        rest = []  # "BID (twice daily)" says one thing twice
    explained = bool(code) or (bool(raised) and (not rest or rest[0][1] == "for"))
    if not explained or (rest and (not keep_rest or _turns(rest, lookup, reason_at=reason_at))):
        return whole
    return PhraseParts(
        code_text=_written(code) or None,
        flags=frozenset(raised),
        rest=_written(rest).strip(f"{_SEPARATORS} -") or None,
    )


Word = tuple[str, str]
"""A word as written, and folded."""


def _words(cell: str) -> list[Word]:
    """Words with the punctuation that clings to them; signs alone are no words."""
    return [(word, folded) for word in cell.split() if (folded := fold(word))]


def _written(words: list[Word]) -> str:
    return " ".join(written for written, _ in words)


def _find(words: list[Word], phrase: str) -> slice | None:
    """Where the words of a folded phrase stand side by side."""
    for start in range(len(words)):
        for stop in range(start + 1, len(words) + 1):
            run = " ".join(folded for _, folded in words[start:stop])
            if run == phrase:
                return slice(start, stop)
            if len(run) > len(phrase):
                break
    return None


def _leading_code(words: list[Word], lookup: Lookup) -> int:
    """How many words at the beginning are a code; the longest wins, 0 for none."""
    for count in range(min(len(words), _LONGEST_CODE_WORDS), 0, -1):
        if lookup(fold(_written(words[:count]))) is not None:
            return count
    return 0


def _turns(rest: list[Word], lookup: Lookup, *, reason_at: int | None = None) -> bool:
    """True unless what follows a code explains it, and names no other one nor takes it back.

    reason_at: how many words stood behind a flag; they are its reason when they are the rest.
    """
    text = " ".join(folded for _, folded in rest)
    is_reason = reason_at == len(rest) and not any(character.isdigit() for character in text)
    is_explained = any(f"{text} ".startswith(f"{phrase} ") for phrase in _EXPLANATIONS)
    if not (is_reason or is_explained or _DURATION.fullmatch(text)):
        return True
    if not _TURNS.isdisjoint(text.split()):
        return True
    return any(_leading_code(rest[start:], lookup) for start in range(len(rest)))

"""Codes: a whole name is a code or it is not. Never a part of a name, never a default.

`Urinalysis` contains "na" and is not sodium; `Twice daily` contains "daily" and is not once a day.
Names are compared folded (case, space and punctuation do not matter). What is in no code is
refused or kept as written, counted, and listed with the nearest known codes for a person to see.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from pipeline.errors import RowCode
from pipeline.same import remembered
from pipeline.standardize.base import Converted, Rows
from pipeline.standardize.distinct import Distinct, read_distinct
from pipeline.standardize.text import fold
from pipeline.standardize.wholetexts import FEW

_MAX_LISTED = 50  # distinct unknown spellings kept for the report
_MAX_COMPARED = 100  # characters; a longer text is near nothing


class CodeSetError(ValueError):
    """The code set contradicts itself. `problems` has one sentence for each contradiction."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(self.problems)


@dataclass(frozen=True, slots=True)
class Code:
    """One code: its value is delivered; value, label and aliases are its names.

    `ask` marks words that are known to mean more than one code (`Biweekly`): they are refused as
    code-ambiguous, never delivered.
    """

    value: str
    aliases: tuple[str, ...] = ()
    label: str | None = None
    ask: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, as written."""
        return (self.value, *((self.label,) if self.label else ()), *self.aliases)


class CodeSet:
    """Codes found by any of their whole names.

    Raises:
        CodeSetError: a name belongs to two codes, or folds to nothing.
    """

    def __init__(self, codes: Iterable[Code]) -> None:
        self.codes = tuple(codes)
        self._by_name: dict[str, Code] = {}
        problems: list[str] = []
        for code in self.codes:
            for name in code.names:
                problems.extend(self._claim(code, name))
        if problems:
            raise CodeSetError(tuple(problems))

    def _claim(self, code: Code, name: str) -> list[str]:
        folded = fold(name)
        if not folded:
            return [f"{name!r} of {code.value} has no letter or digit"]
        other = self._by_name.setdefault(folded, code)
        if other is code:
            return []
        return [f"{name!r} belongs to both {other.value} and {code.value}"]

    def lookup(self, folded: str) -> str | None:
        """Value of the code with this folded name; None when there is none or several."""
        code = self._by_name.get(folded)
        return None if code is None or code.ask else code.value

    def is_ambiguous(self, folded: str) -> bool:
        """True for a folded name that is known to mean more than one code."""
        code = self._by_name.get(folded)
        return code is not None and code.ask

    def names(self) -> dict[str, str]:
        """Folded name -> value, without the ambiguous ones."""
        return {name: code.value for name, code in self._by_name.items() if not code.ask}


def nearest(codeset: CodeSet, text: str, *, limit: int = 3) -> list[str]:
    """Codes with a name like `text`, best first. For sentences only: never accepted as a match."""
    folded = fold(text[:_MAX_COMPARED])
    names = codeset.names()
    close = difflib.get_close_matches(folded, list(names), n=limit * 2, cutoff=0.6)
    return list(dict.fromkeys(names[name] for name in close))[:limit]


class CodeEvidence:
    """How many values of a column are in its code set.

    `unknown_spellings` are for the reject report alone; `as_dict` holds counts only.
    """

    def __init__(self, codeset: CodeSet) -> None:
        self._codeset = codeset
        self._values = 0
        self._counts = {RowCode.CODE_UNKNOWN: 0, RowCode.CODE_AMBIGUOUS: 0}
        self._unknown: dict[str, int] = {}

    def observe(self, values: pa.StringArray) -> None:
        """Count a batch of cleaned text; null is a missing value."""
        for match, count in _matched(values, self._codeset).counted():
            self._values += count
            if match.bad is not None:
                self._counts[match.bad] += count
                if match.text in self._unknown or len(self._unknown) < _MAX_LISTED:
                    self._unknown[match.text] = self._unknown.get(match.text, 0) + count

    def as_dict(self) -> dict[str, int | float]:
        """values, unknown and ambiguous counts; unknown_share (0 to 1) of both together."""
        values, (unknown, ambiguous) = self._values, self._counts.values()
        share = (unknown + ambiguous) / values if values else 0.0
        return {
            "values": values,
            "unknown": unknown,
            "ambiguous": ambiguous,
            "unknown_share": share,
        }

    def key(self) -> tuple[object, ...] | None:
        """All of it as numbers; None where there are unknown spellings besides."""
        return None if self._unknown else (self._values,)

    def unknown_spellings(self) -> list[tuple[str, int]]:
        """Distinct texts in no code with their counts, most frequent first, at most 50."""
        return sorted(self._unknown.items(), key=lambda item: (-item[1], item[0]))


@dataclass(frozen=True, slots=True)
class _Match:
    text: str
    value: str | None
    bad: RowCode | None


def _matched(values: pa.StringArray, codeset: CodeSet) -> Distinct[_Match]:
    """The codes of a column. The few cells of a small file are looked up once."""
    if len(values) <= FEW:
        return _few_matched(values, codeset)
    return read_distinct(values, lambda text: _match(text, codeset))


@remembered(64)
def _few_matched(values: pa.StringArray, codeset: CodeSet) -> Distinct[_Match]:
    return read_distinct(values, lambda text: _match(text, codeset))


def _match(text: str, codeset: CodeSet) -> _Match:
    folded = fold(text)
    value = codeset.lookup(folded)
    if value is not None:
        return _Match(text, value, None)
    ambiguous = codeset.is_ambiguous(folded)
    return _Match(text, None, RowCode.CODE_AMBIGUOUS if ambiguous else RowCode.CODE_UNKNOWN)


def convert_codes(
    values: pa.StringArray,
    codeset: CodeSet,
    *,
    unknown: Literal["reject", "keep", "review"] = "reject",
) -> Converted:
    """Code value of each cell of cleaned text.

    A text in no code (code-unknown) or in several (code-ambiguous) is bad and null; with `keep` it
    stays as written and is marked instead.
    """
    matches = _matched(values, codeset)
    keep = unknown == "keep"
    problems = matches.group(lambda match: match.bad)
    return Converted(
        values=matches.spread(
            lambda match: match.text if keep and match.bad else match.value, pa.string()
        ),
        bad={} if keep else problems,
        marked=problems if keep else {},
        changed=_changes(matches),
    )


def _changes(matches: Distinct[_Match]) -> dict[str, Rows]:
    mapped = matches.rows(lambda match: match.value is not None and match.value != match.text)
    return {"code-mapped": mapped} if len(mapped) else {}

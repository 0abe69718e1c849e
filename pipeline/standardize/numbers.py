"""Numbers: the decimal sign is decided over the whole column, digits are kept as reported.

`1,234` is a thousand or a little more than one, and no single value says which. So every value of
the column is looked at first:

* A value only one convention can read is a proof: `1,5`, `0,123` and `1.234,5` prove a decimal
  comma; `1.5`, `0.123` and `1,234.5` prove a decimal point. Groups are of three digits (or lakhs,
  `12,34,567`).
* Proofs of one kind only decide. When both kinds stand in a column, the larger side wins only if
  it also shows the other sign grouping thousands, or if the other side is below 5 % and no value
  hangs on it; what the winner cannot read is refused row by row. Otherwise it is a question.
* A minus behind an amount to two decimals (5.00-), or brackets around it, prove the writing of
  bookkeeping where no minus stands in front; then all values of the column may be written so.
* A comma needs proof: values like `1,234` alone are a question (in an integer field they can only
  be groups). A point does not: values like `1.234` alone are decimal, unless the file is
  separated by semicolons (the mark of a decimal-comma country), unless the field is an integer,
  or unless whole numbers below 1000 stand beside at least three of them and no other decimals,
  which is what grouping looks like.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import FileCode
from pipeline.plain import as_dict
from pipeline.standardize.base import Question
from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.number_grammar import (
    COMMA,
    POINT,
    DecimalSign,
    is_minus_elsewhere,
    is_text_result,
    proof_of,
    read_digits,
    take_apart,
)
from pipeline.standardize.number_values import convert_numbers
from pipeline.standardize.wholetexts import FEW, matches_whole

__all__ = [
    "NumberDecision",
    "NumberEvidence",
    "NumberHint",
    "convert_numbers",
    "decide_numbers",
]

_TOLERATED_MINORITY = 0.05
_PLAIN_SHAPES = {
    "whole_small": r"^[0-9]{1,3}$",
    "whole_large": r"^[1-9][0-9]{3,}$",
    "point_like_group": r"^[1-9][0-9]{0,2}\.[0-9]{3}$",
    "point_proof": r"^[0-9]+\.[0-9]+$",  # whatever the line above has not taken
    "comma_proof": r"^[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})$",
}


class NumberEvidence:
    """How a column writes its numbers: counts by shape, never values."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def observe(self, values: pa.StringArray) -> None:
        """Count the shapes of a batch of cleaned text; null is a missing value."""
        rest = values.drop_null()
        self._counts["values"] += len(rest)
        if len(rest) <= FEW:
            for text in rest.to_pylist():
                self._counts.update(_shapes_of_few(text))
            return
        for shape, pattern in _PLAIN_SHAPES.items():
            if not len(rest):
                return
            fits = pc.match_substring_regex(rest, pattern)
            count = fits.true_count
            self._counts[shape] += count
            rest = rest.filter(pc.invert(fits)) if count else rest
        for shapes, count in read_distinct(rest, _shapes_of).counted():
            for shape in shapes:
                self._counts[shape] += count

    def as_dict(self) -> dict[str, int]:
        """Counts by shape, in a fixed order, zeros left out."""
        return {name: self._counts[name] for name in sorted(self._counts) if self._counts[name]}

    def key(self) -> tuple[object, ...]:
        """All of it as numbers, equal for what shows the same."""
        return tuple(self.as_dict().items())

    def __getitem__(self, shape: str) -> int:
        return self._counts[shape]

    def total(self, *shapes: str) -> int:
        """Sum over shapes."""
        return sum(self._counts[shape] for shape in shapes)


def _shapes_of_few(text: str) -> tuple[str, ...]:
    """The same as Arrow and `_shapes_of` tell together."""
    for shape, pattern in _PLAIN_SHAPES.items():
        if matches_whole(text, pattern):
            return (shape,)
    return _shapes_of(text)


def _shapes_of(text: str) -> tuple[str, ...]:
    """Shapes one text counts as; its main one is first."""
    elsewhere = is_minus_elsewhere(text)
    cell = None if is_text_result(text) else take_apart(text, minus_elsewhere=elsewhere)
    if cell is None:
        return ("text",) if is_text_result(text) else ("other",)
    main = _main_shape(cell.body)
    if main == "other":
        return ("other",)
    signs = (("'", "group_apostrophe"), (" ", "group_space"))
    return (
        main,
        *(name for sign, name in signs if sign in cell.body),
        *(("scientific",) if cell.exponent else ()),
        *(("comparator",) if cell.comparator else ()),
        *(("minus_elsewhere",) if elsewhere else ()),
        *(("minus_in_front",) if cell.negative and not elsewhere else ()),
        *(("unit",) if cell.unit else ()),
    )


def _main_shape(body: str) -> str:
    proof = proof_of(body)
    if proof == ".":
        return "point_proof_grouped" if "," in body else "point_proof"
    if proof == ",":
        return "comma_proof_grouped" if "." in body else "comma_proof"
    if read_digits(body, POINT) is None:
        return "other"
    if "," in body:
        return "comma_like_group"
    if "." in body:
        return "point_like_group"
    if "'" in body or " " in body:
        return "whole_grouped"
    return "whole_large" if len(body) > 3 else "whole_small"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberHint:
    """What a person confirmed for this column. `group` None allows every other grouping sign."""

    decimal: DecimalSign
    group: str | None = None
    source: str = "the confirmed mapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberDecision:
    """How a column's numbers are read.

    group: every sign that may group thousands ("" for none); a space stands for each kind of
    space, an apostrophe for both kinds.
    parse_share: part of the values (0 to 1) that are numbers under the decision.
    text_share: part of the values that are results in words, grades or titres.
    minus_elsewhere: 5.00- and (5.00) are negative, as bookkeeping writes it.
    """

    decimal: DecimalSign = "."
    group: str = ""
    sentences: tuple[str, ...] = ()
    parse_share: float = 1.0
    text_share: float = 0.0
    minus_elsewhere: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`."""
        return {**as_dict(self), "sentences": list(self.sentences)}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> NumberDecision:
        """Inverse of `to_dict`."""
        return cls(**{**document, "sentences": tuple(document["sentences"])})


def decide_numbers(
    evidence: NumberEvidence,
    *,
    column: str,
    hint: NumberHint | None = None,
    integer: bool = False,
    delimiter: str | None = None,
) -> NumberDecision | list[Question]:
    """Choose the column's decimal and group signs, or ask.

    `integer` says the field takes whole numbers only; `delimiter` is the file's cell separator
    (";" hints at a country with decimal comma). Both only help where values prove nothing.
    """
    if hint is not None:
        return _confirmed(evidence, hint)
    point = evidence.total("point_proof", "point_proof_grouped")
    comma = evidence.total("comma_proof", "comma_proof_grouped")
    if point and comma:
        return _decide_contradiction(evidence, column, point, comma)
    if comma:
        return _decided(evidence, ",", f"{_values_prove(comma)} that the comma is the decimal sign")
    if point:
        return _decided(evidence, ".", f"{_values_prove(point)} that the point is the decimal sign")
    return _decide_without_proof(evidence, column, integer=integer, delimiter=delimiter)


def _decide_contradiction(
    evidence: NumberEvidence, column: str, point: int, comma: int
) -> NumberDecision | list[Question]:
    sign: DecimalSign = "." if point >= comma else ","
    winner, loser = ("point", "comma") if sign == "." else ("comma", "point")
    few, many = min(point, comma), max(point, comma)
    grouped = evidence[f"{winner}_proof_grouped"] > 0 and not evidence[f"{loser}_proof_grouped"]
    rare = few <= _TOLERATED_MINORITY * (few + many) and not evidence.total(
        f"{loser}_like_group", f"{loser}_proof_grouped"
    )
    if (grouped and few < many) or rare:
        return _decided(
            evidence,
            sign,
            f"{_values_prove(many)} that the {winner} is the decimal sign; "
            f"{few} written with a decimal {loser} are refused",
        )
    return [_ask(column, f"{_values_prove(point)} a decimal point and {comma} a decimal comma.")]


def _decide_without_proof(
    evidence: NumberEvidence, column: str, *, integer: bool, delimiter: str | None
) -> NumberDecision | list[Question]:
    commas, points = evidence["comma_like_group"], evidence["point_like_group"]
    if integer and commas and not points:
        return _decided(evidence, ".", "the field takes whole numbers, so its commas group digits")
    doubts = []
    if commas:
        doubts.append(f"{_values_are(commas)} written like 9,999")
    if points and (commas or integer or delimiter == ";" or _looks_grouped(evidence)):
        doubts.append(f"{_values_are(points)} written like 9.999")
    if doubts:
        sentence = f"{' and '.join(doubts)}: the sign may be decimal or group thousands."
        return [_ask(column, sentence)]
    if points:
        return _decided(
            evidence, ".", f"no value speaks against the point of {points} values being decimal"
        )
    return _decided(evidence, ".", "no value has a decimal sign")


def _values_are(count: int) -> str:
    return "1 value is" if count == 1 else f"{count} values are"


def _values_prove(count: int) -> str:
    return "1 value proves" if count == 1 else f"{count} values prove"


def _ask(column: str, sentence: str) -> Question:
    return Question(
        code=FileCode.NUMBER_AMBIGUOUS,
        column=column,
        sentence=sentence,
        key=f"decimal:{column}",
        answers={
            ",": "the comma is the decimal sign, a point groups thousands",
            ".": "the point is the decimal sign, a comma groups thousands",
        },
    )


def _looks_grouped(evidence: NumberEvidence) -> bool:
    """Three decimals or none, whole numbers only below 1000: decimals by chance rarely do that."""
    return (
        evidence["point_like_group"] >= 3
        and evidence["whole_small"] > 0
        and not evidence["whole_large"]
    )


def _decided(evidence: NumberEvidence, decimal: DecimalSign, reason: str) -> NumberDecision:
    other, loser = (",", "comma") if decimal == "." else (".", "point")
    group = other if evidence.total(f"{loser}_like_group", *_grouped(decimal)) else ""
    group += "'" if evidence["group_apostrophe"] else ""
    group += " " if evidence["group_space"] else ""
    return _summed_up(evidence, decimal, group, reason)


def _grouped(decimal: DecimalSign) -> tuple[str, ...]:
    return ("point_proof_grouped",) if decimal == "." else ("comma_proof_grouped",)


def _confirmed(evidence: NumberEvidence, hint: NumberHint) -> NumberDecision:
    default = (POINT if hint.decimal == "." else COMMA).group
    group = default if hint.group is None else hint.group
    return _summed_up(evidence, hint.decimal, group, f"stated by {hint.source}")


def _summed_up(
    evidence: NumberEvidence, decimal: DecimalSign, group: str, reason: str
) -> NumberDecision:
    values = evidence["values"]
    loser = "comma" if decimal == "." else "point"
    unread = evidence.total("other", "text", f"{loser}_proof", f"{loser}_proof_grouped")
    names = {",": "comma", ".": "point", "'": "apostrophe", " ": "space"}
    grouping = f"; thousands grouped by {', '.join(names[sign] for sign in group)}" if group else ""
    sentences = [f"decimal sign is the {names[decimal]}: {reason}{grouping}"]
    if evidence["scientific"]:
        sentences.append(f"{evidence['scientific']} values are in scientific notation")
    elsewhere = evidence["minus_elsewhere"] if not evidence["minus_in_front"] else 0
    if elsewhere:
        sentences.append(f"{_values_are(elsewhere)} negative by a minus behind or by brackets")
    elif evidence["minus_elsewhere"]:
        unread += evidence["minus_elsewhere"]
    return NumberDecision(
        decimal=decimal,
        group=group,
        sentences=tuple(sentences),
        parse_share=(values - unread) / values if values else 1.0,
        text_share=evidence["text"] / values if values else 0.0,
        minus_elsewhere=elsewhere > 0,
    )

"""What the first pass collects of each kind of value, and the decision it comes to.

An inspector sees every value of one column. `settle` turns what it counted into a decision (plain
data, for the plan) or into questions.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.loading import Contract, Field
from pipeline.kinds import Converter, codeset_of, converter_of, kind_of, phrases_of
from pipeline.mapping.sourcewords import NO_WORDS, SourceWords
from pipeline.same import remembered
from pipeline.standardize.base import Converted, Question
from pipeline.standardize.codes import CodeEvidence, CodeSet
from pipeline.standardize.dates import DateEvidence, decide_dates
from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.identifiers import (
    IdentifierDecision,
    IdentifierEvidence,
    decide_identifiers,
)
from pipeline.standardize.numbers import NumberEvidence, decide_numbers
from pipeline.standardize.ranges import split_ranges
from pipeline.standardize.text import TextEvidence, count_misfits, decide_text, fold, nullify
from pipeline.standardize.units import normalize_unit
from pipeline.standardize.us_states import us_states

_MAX_LISTED = 50  # distinct spellings kept to ask about
_MOST_KNOWN = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a kind may know beside the values: the column's label, the file's separator, the day.

    words: what a confirmed mapping says about the column.
    """

    label: str
    contract: Contract
    today: datetime.date
    delimiter: str | None = None
    words: SourceWords = NO_WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one column's evidence came to.

    values: how many values are present. parse_share: part of them (0 to 1) that are of this kind;
    None where any text is. unknown: spellings that are no code, with their counts; these are
    values, so they go to people and never into a plan.
    """

    values: int
    decision: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    parse_share: float | None = None
    unknown: tuple[tuple[str, int], ...] = ()


class Inspector(Protocol):
    """Collects the evidence of one column."""

    def observe(self, values: pa.StringArray) -> Converted | None:
        """Look at one batch of cleaned text; null is missing.

        Returns what they are converted to, where nothing has to be decided before that.
        """
        ...

    def settle(self) -> Settled:
        """Decide from everything observed."""
        ...

    def counts(self) -> Counts:
        """All that `settle` goes by, as numbers; None where it goes by texts besides."""
        ...


Counts = tuple[object, ...] | None


def inspector_of(described: Field, setting: Setting) -> Inspector:
    """A fresh evidence collector for one column."""
    make = _maker(described, setting)
    return _Texts(make(), described, setting) if described.type == "string" else make()


def settled(inspector: Inspector, described: Field, setting: Setting) -> Settled:
    """What an inspector comes to; the very same thing where another one has counted the same.

    described, setting: those it was made with.
    """
    counts = inspector.counts()
    if counts is None:
        return inspector.settle()
    key = (id(described), id(setting), counts)
    known = _known_settled.get(key)
    if known is None:
        if len(_known_settled) >= _MOST_KNOWN:
            _known_settled.clear()
        known = _known_settled[key] = (inspector.settle(), described, setting)  # kept: so are ids
    return known[0]


_known_settled: dict[tuple[int, int, object], tuple[Settled, Field, Setting]] = {}


@remembered(1_024)
def _maker(described: Field, setting: Setting) -> Callable[[], Inspector]:
    """What makes an inspector of the field's kind."""
    match kind_of(described):
        case "date" | "datetime":
            return partial(_Dates, described, setting)
        case "number" | "integer":
            return partial(_Numbers, described, setting)
        case "category" | "code":
            return partial(_Codes, described, codeset_of(described, setting.contract), setting)
        case "us-state":
            return partial(_Codes, described, us_states(), setting)
        case "range":
            return partial(_Ranges, setting)
        case "identifier" | "npi" | "loinc" | "luhn":
            return partial(_Identifiers, setting)
        case "ucum-unit":
            return partial(_Units, setting)
        case "boolean":
            return partial(_Booleans, described, setting)
        case "email" | "postal-code-us" | "phone":
            return partial(_Parsed, converter_of(described, setting.contract, {}))
        case "text" if described.name in setting.contract.primary_key:
            return partial(_Identifiers, setting)
        case _:
            return _Anything


class _Dates:
    def __init__(self, described: Field, setting: Setting) -> None:
        self._described, self._setting = described, setting
        self._evidence = DateEvidence()

    def counts(self) -> Counts:
        return self._evidence.key()

    def observe(self, values: pa.StringArray) -> None:
        self._evidence.observe(values)

    def settle(self) -> Settled:
        evidence = self._evidence.as_dict()
        decided = decide_dates(
            self._evidence,
            column=self._setting.label,
            kind="date" if self._described.type == "date" else "datetime",
            timezone=self._setting.words.timezone or self._described.timezone,
            century=self._described.century,
            today=self._setting.today,
            hint=self._setting.words.date_hint(),
        )
        if isinstance(decided, list):
            return Settled(values=evidence["values"], evidence=evidence, questions=tuple(decided))
        return Settled(
            values=evidence["values"],
            decision=decided.to_dict(),
            evidence=evidence,
            sentences=decided.sentences,
            parse_share=decided.parse_share,
        )


class _Numbers:
    """Numbers, also those of a cell that holds several (`120/80`)."""

    def __init__(self, described: Field, setting: Setting) -> None:
        self._described, self._setting = described, setting
        self._evidence = NumberEvidence()
        self._separators = [
            rule.separator for rule in setting.contract.split_rows if rule.field == described.name
        ]

    def counts(self) -> Counts:
        return self._evidence.key()

    def observe(self, values: pa.StringArray) -> None:
        for separator in self._separators:
            values = pc.utf8_trim_whitespace(
                pc.list_flatten(pc.split_pattern(values.drop_null(), separator))
            )
        self._evidence.observe(values)

    def settle(self) -> Settled:
        takes_text = self._described.split is not None and self._described.split.text is not None
        return settle_numbers(
            self._evidence,
            self._setting,
            integer=self._described.type == "integer",
            takes_text=takes_text,
        )


def settle_numbers(
    evidence: NumberEvidence, setting: Setting, *, integer: bool = False, takes_text: bool = False
) -> Settled:
    """Decide how a column of numbers is written."""
    counts = evidence.as_dict()
    decided = decide_numbers(
        evidence,
        column=setting.label,
        hint=setting.words.number_hint(),
        integer=integer,
        delimiter=setting.delimiter,
    )
    if isinstance(decided, list):
        return Settled(values=counts.get("values", 0), evidence=counts, questions=tuple(decided))
    share = decided.parse_share + (decided.text_share if takes_text else 0.0)
    return Settled(
        values=counts.get("values", 0),
        decision=decided.to_dict(),
        evidence=counts,
        sentences=decided.sentences,
        parse_share=share,
    )


class _Ranges:
    """Reference ranges: the ends are numbers like any other, words are no fault."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._evidence = NumberEvidence()
        self._values = 0

    def counts(self) -> Counts:
        return self._values, *self._evidence.key()

    def observe(self, values: pa.StringArray) -> None:
        parts = split_ranges(values)
        self._values += len(values) - values.null_count
        self._evidence.observe(parts.low)
        self._evidence.observe(parts.high)

    def settle(self) -> Settled:
        ends = settle_numbers(self._evidence, self._setting)
        return Settled(
            values=self._values,
            decision=ends.decision,
            evidence=ends.evidence,
            sentences=ends.sentences,
            questions=ends.questions,
        )


class _Codes:
    def __init__(self, described: Field, codeset: CodeSet, setting: Setting) -> None:
        self._described, self._codeset = described, codeset
        self._rejected = setting.words.reject_values
        self._evidence = CodeEvidence(codeset)

    def counts(self) -> Counts:
        return self._evidence.key()

    def observe(self, values: pa.StringArray) -> None:
        if self._rejected:  # a person has said that these are no codes
            values = nullify(values, self._rejected)
        phrases = phrases_of(values, self._described, self._codeset)
        self._evidence.observe(values if phrases is None else phrases.code_text)

    def settle(self) -> Settled:
        evidence = self._evidence.as_dict()
        values, unknown = int(evidence["values"]), int(evidence["unknown"])
        kept = self._described.codes is not None and self._described.codes.unknown == "keep"
        sentence = f"{values - unknown} of {values} values are known by their whole name"
        return Settled(
            values=values,
            evidence=dict(evidence),
            sentences=(sentence,) if values else (),
            parse_share=None if kept else 1.0 - float(evidence["unknown_share"]),
            unknown=() if kept else tuple(self._evidence.unknown_spellings()),
        )


class _Identifiers:
    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._evidence = IdentifierEvidence()

    def counts(self) -> Counts:
        return tuple(self._evidence.as_dict().values())

    def observe(self, values: pa.StringArray) -> None:
        self._evidence.observe(values)

    def settle(self) -> Settled:
        evidence = self._evidence.as_dict()
        decided = decide_identifiers(self._evidence, column=self._setting.label)
        if isinstance(decided, list) and "date-like-ids" in self._setting.words.accept:
            decided = IdentifierDecision(sentences=("ids written as dates are confirmed",))
        return Settled(
            values=evidence["values"],
            evidence=dict(evidence),
            sentences=() if isinstance(decided, list) else decided.sentences,
            questions=tuple(decided) if isinstance(decided, list) else (),
        )


class _Units:
    """Counts spellings that are known; which unit a row needs is decided with its number."""

    def __init__(self, setting: Setting) -> None:
        self._rejected = setting.words.reject_values
        self._counts: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def counts(self) -> Counts:
        return None if self._unknown else tuple(sorted(self._counts.items()))

    def observe(self, values: pa.StringArray) -> None:
        if self._rejected:
            values = nullify(values, self._rejected)
        units = read_distinct(values, lambda text: (text, normalize_unit(text)))
        for (text, unit), count in units.counted():
            self._counts["unknown" if unit is None else "known"] += count
            if unit is None and (text in self._unknown or len(self._unknown) < _MAX_LISTED):
                self._unknown[text] += count

    def settle(self) -> Settled:
        return Settled(
            values=self._counts.total(),
            evidence=dict(sorted(self._counts.items())),
            unknown=_ranked(self._unknown),
        )


def _ranked(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class _Booleans:
    """Yes and no by declared words; other words are asked about like codes."""

    def __init__(self, described: Field, setting: Setting) -> None:
        words = setting.words
        self._decision: dict[str, Any] = {}
        if words.true_values is not None or words.false_values is not None or words.values:
            true = words.true_values or described.true_values
            false = words.false_values or described.false_values
            told = {fold(word) for word in (*true, *false)}
            self._decision = {  # "true" and "false" are what a mapping's `values` lead to
                "trueValues": [*true, *(["true"] if "true" not in told else [])],
                "falseValues": [*false, *(["false"] if "false" not in told else [])],
            }
        self._rejected = words.reject_values
        self._convert = converter_of(described, setting.contract, self._decision)
        self._counts: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def counts(self) -> Counts:
        return None if self._unknown else tuple(sorted(self._counts.items()))

    def observe(self, values: pa.StringArray) -> None:
        if self._rejected:
            values = nullify(values, self._rejected)
        self._counts["values"] += len(values) - values.null_count
        for rows in self._convert(values).bad.values():
            self._counts["unknown"] += len(rows)
            for text, count in read_distinct(values.take(pa.array(rows)), str).counted():
                if text in self._unknown or len(self._unknown) < _MAX_LISTED:
                    self._unknown[text] += count

    def settle(self) -> Settled:
        values, unknown = self._counts["values"], self._counts["unknown"]
        return Settled(
            values=values,
            decision=self._decision,
            evidence={"values": values, "unknown": unknown},
            parse_share=1.0 - unknown / values if values else None,
            unknown=_ranked(self._unknown),
        )


class _Parsed:
    """Kinds with nothing to decide: what counts is how many values are of that kind."""

    def __init__(self, convert: Converter) -> None:
        self._convert = convert
        self._values = 0
        self._refused = 0

    def counts(self) -> Counts:
        return self._values, self._refused

    def observe(self, values: pa.StringArray) -> Converted:
        converted = self._convert(values)
        self._values += len(values) - values.null_count
        self._refused += sum(len(rows) for rows in converted.bad.values())
        return converted

    def settle(self) -> Settled:
        return Settled(
            values=self._values,
            evidence={"values": self._values, "refused": self._refused},
            parse_share=1.0 - self._refused / self._values if self._values else None,
        )


class _Anything:
    """Text that may be anything: it is only counted."""

    def __init__(self) -> None:
        self._values = 0

    def counts(self) -> Counts:
        return (self._values,)

    def observe(self, values: pa.StringArray) -> None:
        self._values += len(values) - values.null_count

    def settle(self) -> Settled:
        return Settled(values=self._values)


class _Texts:
    """What every kind of text has in common: a pattern, and perhaps a wrong decoding behind it."""

    def __init__(self, kind: Inspector, described: Field, setting: Setting) -> None:
        self._kind, self._setting = kind, setting
        self._pattern = described.constraints.pattern
        self._evidence = TextEvidence()
        self._misfits = 0

    def counts(self) -> Counts:
        of_kind = self._kind.counts()
        return None if of_kind is None else (self._misfits, *self._evidence.key(), of_kind)

    def observe(self, values: pa.StringArray) -> Converted | None:
        converted = self._kind.observe(values)
        self._evidence.observe(values)
        if self._pattern is not None:
            self._misfits += count_misfits(values, self._pattern)
        return converted

    def settle(self) -> Settled:
        settled = self._kind.settle()
        damaged = decide_text(self._evidence, column=self._setting.label)
        words = self._setting.words
        if words.repair or "damaged-text" in words.accept:
            damaged = []  # what could be undone is undone, the rest stays as it is, marked
        evidence = {**settled.evidence, "text": self._evidence.as_dict()}
        share = settled.parse_share
        if self._pattern is not None and settled.values:
            evidence["pattern_misfits"] = self._misfits
            fitting = 1.0 - self._misfits / settled.values
            share = fitting if share is None else min(share, fitting)
        return Settled(
            values=settled.values,
            decision=settled.decision,
            evidence=evidence,
            sentences=settled.sentences,
            questions=(*damaged, *settled.questions),
            parse_share=share,
            unknown=settled.unknown,
        )

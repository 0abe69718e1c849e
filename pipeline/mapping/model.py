"""What a mapping file may say: how one source's files become one contract.

It is the source's own Table Schema plus `to`: written by the program as a proposal, confirmed by a
person, remembered. Every key that is not named here is refused, because a misspelt answer is an
answer that is not kept. Keys are camelCase in YAML and snake_case here.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, PrivateAttr, StringConstraints, WithJsonSchema

from pipeline.contract.values import Name, Part, Real, Texts, Whole, YesNo, words

Status = Literal["proposed", "confirmed", "retired"]
Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]
REPAIR = "repair"
"""`encoding: repair` undoes a wrong decoding of the past: Ã© becomes é again."""

Accepted = Literal[
    "unreadable", "date-like-ids", "damaged-text", "other-values", "start-of-day", "no-time"
]


def _several(value: Any) -> Any:
    """One text where several may stand."""
    return (value,) if isinstance(value, str) else value


def _text_or_list(item: dict[str, Any]) -> Any:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item}]})


TextOrTexts = Annotated[
    tuple[str, ...], BeforeValidator(_several), _text_or_list({"type": "string"})
]
NameOrNames = Annotated[
    tuple[Name, ...],
    BeforeValidator(_several),
    _text_or_list({"type": "string", "pattern": r"^[a-z][a-z0-9_]*$"}),
]


class Confirmed(Part):
    """Who said yes, and when."""

    by: str | None = words("Who confirmed it.", default=None)
    at: str | None = words("When, as ISO 8601.", default=None)


class Match(Part):
    """Which files the mapping is for, beside having the columns it names."""

    path: str | None = words(
        "Only files whose path in the inbox fits this pattern, such as `northside/*.csv`.",
        default=None,
    )
    labels: str | None = words("Fingerprint of the column labels alone.", default=None)
    fingerprint: TextOrTexts = words(
        "Fingerprints of labels and value shapes that were accepted. Each answer adds one.",
        default=(),
    )


class PlacedColumn(Part):
    """Where a column of fixed width stands in a line."""

    start: Annotated[Whole, pydantic.Field(ge=1)] = words("Its first character, 1 for the line's.")
    width: Annotated[Whole, pydantic.Field(ge=1)] | None = words(
        "How many characters wide it is. The last column may leave it out: to the line's end.",
        default=None,
    )


class DialectWords(Part):
    """How the text is split into cells; what is absent is found out from the file."""

    delimiter: Character | None = words("Character between two cells.", default=None)
    widths: tuple[Annotated[Whole, pydantic.Field(ge=1)], ...] = words(
        "Columns of fixed width, one after the other: how many characters wide each is.",
        default=(),
    )
    columns: tuple[PlacedColumn, ...] = words(
        "Columns of fixed width with gaps between them: where each one stands.", default=()
    )
    counted: Literal["characters", "bytes", "columns"] = words(
        "What the places of columns of fixed width count: characters, bytes of the file, or "
        "columns of a screen, of which Chinese and Japanese letters take two.",
        default="characters",
    )
    quote_char: Literal['"'] = words("Character around a cell that holds others.", default='"')
    header: YesNo = words(
        "false: the file has no header; the fields below name its columns in their order.",
        default=True,
    )
    header_rows: tuple[Annotated[Whole, pydantic.Field(ge=1)], ...] = words(
        "Lines of the file that hold the column names, 1 for the first.", default=()
    )
    header_join: str = words("What joins the names when they stand in several lines.", default=" ")
    comment_rows: tuple[Annotated[Whole, pydantic.Field(ge=1)], ...] = words(
        "Lines above the data that are neither names nor data.", default=()
    )
    unnamed: Literal["first", "last"] | None = words(
        "The rows have more cells than the header has names: which columns have none.",
        default=None,
    )
    table: str | None = words(
        "Which table of the file: a sheet's name, the path of JSON records such as `$.data`, of "
        "what repeats within them such as `$.data[*].results`, or of XML elements such as "
        "`/data/patient`.",
        default=None,
    )

    @pydantic.model_validator(mode="after")
    def _parts_cells_in_one_way(self) -> DialectWords:
        ways = [
            name
            for name, value in (
                ("delimiter", self.delimiter),
                ("widths", self.widths),
                ("columns", self.columns),
            )
            if value
        ]
        if len(ways) > 1:
            raise ValueError(f"has {' and '.join(ways)}: cells are parted in one way")
        if self.counted != "characters" and not (self.widths or self.columns):
            raise ValueError("has counted, and neither widths nor columns")
        reached = 1
        for number, column in enumerate(self.columns, 1):
            if column.start < reached:
                raise ValueError(f"column {number} must start at {reached} or behind it")
            if column.width is None and number < len(self.columns):
                raise ValueError(
                    f"column {number} has no width; only the last one may leave it out"
                )
            reached = column.start + (column.width or 0)
        return self

    @property
    def spans(self) -> tuple[tuple[int, int | None], ...]:
        """Where the columns of fixed width stand: [start, end) in characters, 0 for the first.

        The last end is None when the column goes on to the end of the line. Empty when none are
        told.
        """
        if self.columns:
            return tuple(
                (one.start - 1, None if one.width is None else one.start - 1 + one.width)
                for one in self.columns
            )
        ends = tuple(accumulate(self.widths))
        return tuple(zip((0, *ends[:-1]), ends, strict=True)) if ends else ()


class Footer(Part):
    """Records at the end of the file that are no data, such as a total."""

    drop: Annotated[Whole, pydantic.Field(ge=0, le=100)] | None = words(
        "How many records at the end are dropped; 0 says that every record is data.", default=None
    )
    expect: str | None = words(
        "Regular expression each of them must match from its first character; if one does not, "
        "the file is held.",
        default=None,
    )

    @pydantic.field_validator("expect")
    @classmethod
    def _is_pattern(cls, expect: str | None) -> str | None:
        if expect is not None:
            try:
                re.compile(expect)
            except re.error as error:
                raise ValueError(f"is no regular expression: {error}") from None
        return expect


class Seen(Part):
    """What the values of a column looked like when a person said yes; a change is asked about."""

    type: str | None = words("What kind of values they were.", default=None)
    dates: dict[str, str] = words(
        "Date shapes and the order their values proved (empty: none proved).", default={}
    )
    decimal: Character | None = words("The decimal sign the values proved.", default=None)
    units: dict[str, TextOrTexts] = words(
        "Units by test or sign; the key `*` where a column has one kind of value.", default={}
    )


class MappedField(Part):
    """One column of the source and what becomes of it."""

    name: str = words("The column's label, as it stands in the file.")
    position: Annotated[Whole, pydantic.Field(ge=1)] | None = words(
        "The column's place, 1 for the first. Needed where a label stands twice.", default=None
    )
    type: str | None = words("What the values are in the source, for people.", default=None)
    format: TextOrTexts = words(
        "How dates are written, in the letters of strptime: `%d.%m.%Y`, `%m/%d/%y %H:%M`.",
        default=(),
    )
    timezone: str | None = words(
        "Zone (IANA name) of times that name none, such as Europe/Berlin.", default=None
    )
    zones: dict[str, str] = words(
        "What zone abbreviations mean: EST to `-05:00` or America/New_York.", default={}
    )
    languages: Texts = words("Languages of month names (de, fr, es, it ...).", default=())
    serials: Literal["1900", "1904"] | None = words(
        "Plain numbers are day numbers of a spreadsheet that counts from this year.", default=None
    )
    decimal_char: Literal[".", ","] | None = words("The decimal sign.", default=None)
    group_char: Annotated[str, StringConstraints(max_length=1)] | None = words(
        "The sign that groups thousands; empty for none.", default=None
    )
    true_values: Texts | None = words("Words that mean true.", default=None)
    false_values: Texts | None = words("Words that mean false.", default=None)
    missing_values: Texts | None = words(
        "Texts that mean 'no value' in this column; replaces the contract's list.", default=None
    )
    unit: str | None = words("UCUM unit of values that name none.", default=None)
    units: dict[str, str] = words(
        "The same by test or sign: `{glucose: mg/dL}`. Of a percentage, `1` says that it is "
        "written as a fraction.",
        default={},
    )
    values: dict[str, str] = words(
        "Source value to canonical value, this source only. Empty means no value.", default={}
    )
    reject_values: Texts = words(
        "Source values that are known to mean nothing here: their rows are rejected, unasked.",
        default=(),
    )
    accept: tuple[Accepted, ...] = words(
        "What a person has seen and accepted in this column: unreadable (such rows are rejected "
        "one by one), date-like-ids, damaged-text (delivered as it is), other-values, start-of-day "
        "(a date without time is the beginning of that day), no-time (such a row is rejected).",
        default=(),
    )
    to: NameOrNames = words("Field of the contract it feeds.", default=())
    rescue: Literal[True] | None = words("Keep its values beside the data.", default=None)
    ignore: Literal[True] | None = words("Leave it out.", default=None)
    confidence: Annotated[Real, pydantic.Field(ge=0, le=1)] | None = words(
        "How sure the proposal was, 0 to 1.", default=None
    )
    margin: Annotated[Real, pydantic.Field(ge=0, le=1)] | None = words(
        "How far ahead of the second best it was, 0 to 1.", default=None
    )
    evidence: Texts = words("Why, in words.", default=())
    seen: Seen = words("What its values looked like.", default=Seen())

    @pydantic.field_validator("rescue", "ignore", mode="before")
    @classmethod
    def _true(cls, value: Any) -> Any:
        return True if value == "true" else value

    @pydantic.model_validator(mode="after")
    def _has_one_fate(self) -> MappedField:
        if bool(self.to) + bool(self.rescue) + bool(self.ignore) != 1:
            raise ValueError("must have exactly one of: to, rescue, ignore")
        return self


class Asked(Part):
    """A question that is still open. Fill in `answer`, or leave the proposed one."""

    key: str = words("Its name, for `harmonizer confirm JOB --answer KEY=ANSWER`.")
    code: str = words("What kind of question it is, as in the error codes.")
    ask: str = words("The question.")
    answers: dict[str, str] = words("Possible answers and what they mean.", default={})
    free: str | None = words("What else may be answered, in words.", default=None)
    proposed: str | None = words("The answer that counts when none is given.", default=None)
    answer: str | None = words("Your answer.", default=None)

    @property
    def is_open(self) -> bool:
        """True when nobody has answered and nothing is proposed."""
        return self.answer is None and self.proposed is None


class Mapping(Part):
    """How one source's files become one contract."""

    schema_url: str | None = words("For other tools.", alias="$schema", default=None)
    contract: Name = words("The contract it leads to.")
    source: Annotated[str, StringConstraints(pattern=r"^[\w][\w.-]{0,79}$")] = words(
        "Short name of who sends such files."
    )
    status: Status = words("Only confirmed mappings count.")
    confirmed: Confirmed = words("Filled in when somebody says yes.", default=Confirmed())
    match: Match = words("Which files it is for.", default=Match())
    encoding: str | None = words(
        "The text's encoding, such as cp1252. `repair` undoes a wrong decoding (Ã© to é).",
        default=None,
    )
    dialect: DialectWords = words("How the text is split.", default=DialectWords())
    footer: Footer = words("Records at the end that are no data.", default=Footer())
    fields: tuple[MappedField, ...] = words(
        "The columns of the source. With none, the contract's own names and aliases decide.",
        default=(),
    )
    constants: dict[Name, str] = words(
        "Values of fields that no column feeds, the same for every row.", default={}
    )
    questions: tuple[Asked, ...] = words(
        "What a person has yet to say; a confirmed mapping has none open.", default=()
    )

    _source_file: str = PrivateAttr(default="")

    @property
    def source_file(self) -> str:
        """Path of the file it was loaded from; empty when it was made in code."""
        return self._source_file

    @property
    def open_questions(self) -> tuple[Asked, ...]:
        """Questions without answer or proposal."""
        return tuple(question for question in self.questions if question.is_open)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its columns, in their order."""
        return tuple(field.name for field in self.fields)

    @property
    def repairs(self) -> bool:
        """True when wrongly decoded text is to be repaired."""
        return self.encoding == REPAIR

"""What a contract file may say, as types: Frictionless Table Schema 2.0 plus our few words.

Every property that is not named here is refused, because a misspelt rule is a rule that is not
kept. Keys are camelCase in YAML and snake_case here. All YAML values arrive as text (see
`contract_file`); only what is declared a number or a yes/no below ever becomes one.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, ConfigDict, PrivateAttr, StringConstraints
from pydantic.alias_generators import to_camel

FieldType = Literal["string", "integer", "number", "boolean", "date", "datetime"]
Semantic = Literal[
    "person-name",
    "us-state",
    "postal-code-us",
    "phone",
    "ucum-unit",
    "npi",
    "range",
    "identifier",
]
Century = Literal["past", "future", "nearest"]

DEFAULT_MISSING_VALUES = ("", "N/A", "n/a", "NULL", "null", "-", "--")
"""Texts that mean "no value" when a contract says nothing about it."""


def _yes_no(value: Any) -> Any:
    """YAML 1.2 knows two spellings; `yes` and `NO` are words."""
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return value == "true"
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"-?(0|[1-9]\d*)", value):
            raise ValueError("must be a whole number")
        return int(value)
    return value


def _real(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", value):
            raise ValueError("must be a number")
        return float(value)
    return value


YesNo = Annotated[bool, BeforeValidator(_yes_no)]
Whole = Annotated[int, BeforeValidator(_whole)]
Real = Annotated[float, BeforeValidator(_real)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Names = Annotated[tuple[Name, ...], pydantic.Field(min_length=1)]
Texts = tuple[str, ...]
Tolerance = Annotated[str, StringConstraints(pattern=r"^(100|\d{1,2})(\.\d+)?%$|^\d+$")]


def words(description: str, **more: Any) -> Any:
    """Describe one property; the text is shown by editors through the JSON Schema."""
    return pydantic.Field(description=description, **more)


class Part(pydantic.BaseModel):
    """Base of every part of a contract: frozen, camelCase in YAML, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, use_attribute_docstrings=False
    )


class Constraints(Part):
    """Rules one value must keep. Bounds are inclusive; dates are written YYYY-MM-DD.

    Bounds and `enum` entries hold what the field's type makes of them: `int` for integer fields,
    `float` for number fields, ISO 8601 text for dates and datetimes.
    """

    required: YesNo = words("Every row must have a value.", default=False)
    unique: YesNo = words("No two rows may have the same value.", default=False)
    min_length: Whole | None = words("Fewest characters.", default=None)
    max_length: Whole | None = words("Most characters.", default=None)
    minimum: str | int | float | None = words("Smallest allowed value.", default=None)
    maximum: str | int | float | None = words("Largest allowed value.", default=None)
    exclusive_minimum: str | int | float | None = words(
        "Every value must be greater than this.", default=None
    )
    exclusive_maximum: str | int | float | None = words(
        "Every value must be less than this.", default=None
    )
    pattern: str | None = words("Regular expression the whole value must match.", default=None)
    enum: tuple[str | int | float, ...] | None = words("The only allowed values.", default=None)


class Category(Part):
    """One allowed value of a field with the other words it arrives as."""

    value: str = words("The value as it is delivered.")
    label: str | None = words("What the value means, for people.", default=None)
    aliases: Texts = words(
        "Other words for it. Whole words only; case, spaces and punctuation do not matter.",
        default=(),
    )


class CodesRef(Part):
    """Says that a field's values come from a code set of the same contract."""

    set: str = words("Name of a code set below `codesets`.")
    unknown: Literal["reject", "keep", "review"] = words(
        "What happens to a value that is in no code: reject the row, keep the text with a "
        "warning, or review: the row is kept out and listed with the nearest known codes.",
        default="review",
    )


class CodeEntry(Part):
    """One code of a code set. Its key is the value that is delivered."""

    label: str | None = words("What the code means, for people. Also matches.", default=None)
    aliases: Texts = words(
        "Other names it arrives under. Whole names only, never a part of one.", default=()
    )
    unit: str | None = words("UCUM unit its values are delivered in.", default=None)
    molar_mass: Annotated[Real, pydantic.Field(gt=0)] | None = words(
        "g/mol: converts between mass and amount (mg/dL and mmol/L).", default=None
    )
    valence: Annotated[Whole, pydantic.Field(ge=1, le=4)] | None = words(
        "Charges of the ion: converts between mEq/L and mmol/L.", default=None
    )
    plausible: tuple[Real, Real] | None = words(
        "Lowest and highest believable value in `unit`; outside it the row is rejected.",
        default=None,
    )
    usual: tuple[Real, Real] | None = words(
        "Lowest and highest usual value in `unit`; outside it the row is marked.", default=None
    )
    convert: dict[str, str] = words(
        "For units that are no multiple of `unit`: UCUM unit to a formula in x.", default={}
    )
    kind: Literal["panel"] | None = words(
        "panel: a group of tests, not one. Its results are kept as they are, with a warning.",
        default=None,
    )


class UnitRule(Part):
    """Converts each value from the unit its row names."""

    from_: Name = words("Field that holds the row's unit.", alias="from")
    to: str = words("A UCUM unit, or `<code set>.unit` for the unit of the row's code.")


class Split(Part):
    """Names the fields that receive the parts of one cell. Parts not named are not taken apart."""

    comparator: Name | None = words("Receives <, <=, > or >= of a result like <5.", default=None)
    text: Name | None = words("Receives a result that is words, like Positive.", default=None)
    unit: Name | None = words("Receives the unit of a value like 25mg.", default=None)
    low: Name | None = words("Receives the lower end of a range.", default=None)
    high: Name | None = words("Receives the upper end of a range.", default=None)
    rest: Name | None = words("Receives words around a known category.", default=None)
    raw: Name | None = words("Receives the cell as it stood, before it was changed.", default=None)
    flags: dict[Name, Texts] = words(
        "Yes/no fields that become true when one of these phrases is in the cell.", default={}
    )

    def targets(self) -> dict[str, str]:
        """Part -> field that receives it; a flag's part is `flags.<field>`."""
        parts = ("comparator", "text", "unit", "low", "high", "rest", "raw")
        named = {part: getattr(self, part) for part in parts if getattr(self, part) is not None}
        return named | {f"flags.{name}": name for name in self.flags}


class Field(Part):
    """One column of the delivered table and how it is recognised, read, checked and changed."""

    name: Name = words("Column name in the delivery.")
    title: str | None = words(
        "Short name for people. Also a heading it arrives under.", default=None
    )
    description: str | None = words("What the field means.", default=None)
    type: FieldType = words("Identifiers are text: zeros, case and dashes survive.")
    format: Literal["default", "email"] = words("A string's form.", default="default")
    aliases: Texts = words(
        "Other headings it arrives under. Whole names; case, spaces and punctuation do not matter.",
        default=(),
    )
    constraints: Constraints = words("Rules every value must keep.", default=Constraints())
    missing_values: Texts | None = words(
        "Texts that mean 'no value' here; replaces the contract's own list.", default=None
    )
    categories: tuple[Category, ...] | None = words(
        "The only allowed values, each with the words it arrives as.", default=None
    )
    codes: CodesRef | None = words("The code set the values come from.", default=None)
    semantic: Semantic | None = words("What kind of thing the text is.", default=None)
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = words(
        "Country (ISO 3166) of telephone numbers without country code.", default=None
    )
    timezone: str | None = words(
        "Zone (IANA name) of times that carry no offset; without it they are refused.",
        default=None,
    )
    century: Century = words(
        "Where a two-digit year lies: past for births, future for expiry dates.", default="nearest"
    )
    unit: UnitRule | None = words("Unit conversion, row by row.", default=None)
    split: Split | None = words("Fields that receive parts of the cell.", default=None)
    true_values: Texts = words("Words that mean true.", default=("true", "1"))
    false_values: Texts = words("Words that mean false.", default=("false", "0"))


class RowSplit(Part):
    """Turns one record into several rows: blood pressure 120/80 into systolic and diastolic."""

    field: Name = words("Field whose cell holds several values.")
    when: dict[Name, str] = words("Only rows whose fields have exactly these codes.")
    separator: Annotated[str, StringConstraints(min_length=1)] = words(
        "Text between the values.", default="/"
    )
    into: tuple[dict[Name, str], ...] = words(
        "One entry for each value in order: what the fields of its row become."
    )


class Check(Part):
    """A rule over several fields of one row. A rule that meets an empty field passes."""

    id: Name = words("Short name, shown in reports.")
    formula: str = words("Yes/no formula over the fields, for example `birth_date <= today()`.")
    severity: Literal["error", "warning"] = words(
        "error rejects the row, warning marks it.", default="error"
    )
    message: str | None = words("The sentence people read when the rule is broken.", default=None)


class DuplicateReview(Part):
    """Lists pairs of rows that may be the same thing. They are never merged by themselves."""

    block: Names = words("Compare only rows that agree in these fields.")
    similar: dict[Name, Annotated[Real, pydantic.Field(ge=0.5, le=1)]] = words(
        "How alike (0.5 to 1) each of these fields must be."
    )


class Duplicates(Part):
    """What happens to rows that are the same, or that share the primary key."""

    survivorship: Literal["first", "last", "most_complete", "merge", "reject"] = words(
        "Which row wins when rows share the key and do not contradict each other.",
        default="reject",
    )
    identical: Literal["drop", "keep"] = words(
        "Rows equal in every field after cleaning.", default="drop"
    )
    conflict: tuple[Name, ...] = words(
        "If these differ under one key, all its rows are kept out.", default=()
    )
    review: DuplicateReview | None = words("Pairs to list for people.", default=None)


class Policy(Part):
    """How strict the contract is with what it did not expect."""

    new_columns: Literal["rescue", "ignore", "fail"] = words(
        "A column no field claims: keep it beside the data, drop it, or refuse the file.",
        default="rescue",
    )
    bad_value: Literal["reject_row"] = words(
        "A value that breaks a rule takes its row out of the data.", default="reject_row"
    )
    missing_cell: Literal["reject", "null"] = words(
        "A row with fewer cells than the header: reject it, or read the missing cells as empty.",
        default="reject",
    )
    max_rejected: Tolerance | None = words(
        "More rejected rows than this (5% or a number of rows) refuse the whole file.",
        default=None,
    )
    max_unknown_codes: Tolerance | None = words(
        "More unknown codes in one column than this refuse the whole file.", default=None
    )

    def too_many_rejected(self, rejected: int, rows: int) -> bool:
        """True when `rejected` of `rows` is more than the contract tolerates."""
        return exceeds(self.max_rejected, rejected, rows)

    def too_many_unknown(self, unknown: int, rows: int) -> bool:
        """True when `unknown` codes among `rows` values are more than the contract tolerates."""
        return exceeds(self.max_unknown_codes, unknown, rows)


def exceeds(tolerance: str | None, count: int, total: int) -> bool:
    """True when `count` of `total` is more than the tolerance, `5%` or a count; None never is."""
    if tolerance is None:
        return False
    if tolerance.endswith("%"):
        return count * 100 > Fraction(tolerance[:-1]) * total
    return count > int(tolerance)


class Reference(Part):
    """The other end of a foreign key."""

    resource: Name | None = words(
        "Contract that holds the key; this one when absent.", default=None
    )
    fields: Names = words("Its key fields.")


class ForeignKey(Part):
    """Says that rows refer to rows of another contract's table."""

    fields: Names = words("Fields of this table.")
    reference: Reference = words("Where they point to.")
    on_missing: Literal["reject_row", "warn", "ignore"] = words(
        "What happens to a row that refers to nothing delivered.", default="warn"
    )


class Privacy(Part):
    """Which fields identify a person."""

    restricted: tuple[Name, ...] = words(
        "Never shown outside the data and its rejects.", default=()
    )


class Load(Part):
    """How a database should take the delivery."""

    table: Name | None = words("Table name; the contract's name when absent.", default=None)
    mode: Literal["append", "replace", "upsert"] = words("How rows are added.", default="append")
    snapshots: Annotated[Whole, pydantic.Field(ge=0)] = words(
        "How many earlier states are kept.", default=0
    )


class Contract(Part):
    """What one clean table looks like. `source` is its file, `sha256` the digest of its bytes."""

    schema_url: str | None = words(
        "https://datapackage.org/profiles/2.0/tableschema.json", alias="$schema", default=None
    )
    name: Name = words("Table name; also the delivery folder's name.")
    title: str | None = words("Name for people.", default=None)
    description: str | None = words("What the table holds.", default=None)
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")] = words(
        "Raise the first number when an existing reader could break.", default="1.0.0"
    )
    primary_key: tuple[Name, ...] = words(
        "Fields that identify one row; they may not be empty.", default=()
    )
    unique_keys: tuple[Names, ...] = words("Further keys.", default=())
    foreign_keys: tuple[ForeignKey, ...] = words("References to other tables.", default=())
    missing_values: Texts = words(
        "Texts that mean 'no value', compared with the whole cell before anything else.",
        default=DEFAULT_MISSING_VALUES,
    )
    fields: Annotated[tuple[Field, ...], pydantic.Field(min_length=1)] = words(
        "The columns, in the order they are delivered."
    )
    codesets: dict[Name, dict[str, CodeEntry]] = words(
        "Code sets by name: code to its names and properties.", default={}
    )
    checks: tuple[Check, ...] = words("Rules over several fields.", default=())
    duplicates: Duplicates = words("Same rows and same keys.", default=Duplicates())
    privacy: Privacy = words("Which fields identify a person.", default=Privacy())
    load: Load = words("How a database should take it.", default=Load())
    policy: Policy = words("How strict to be.", default=Policy())
    split_rows: tuple[RowSplit, ...] = words("Records that become several rows.", default=())

    _source: str = PrivateAttr(default="")
    _sha256: str = PrivateAttr(default="")

    @property
    def source(self) -> str:
        """Path of the file it was loaded from; empty when it was made in code."""
        return self._source

    @property
    def sha256(self) -> str:
        """Digest of the bytes of that file, in hex."""
        return self._sha256

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields in delivery order."""
        return tuple(field.name for field in self.fields)

    def field(self, name: str) -> Field:
        """Return the field of that name.

        Raises:
            KeyError: there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def missing_values_of(self, field: Field) -> Texts:
        """Texts that mean "no value" in this field."""
        return self.missing_values if field.missing_values is None else field.missing_values

    def derived_fields(self) -> frozenset[str]:
        """Names of fields that are made from the cells of another field."""
        splits = (field.split.targets() for field in self.fields if field.split is not None)
        return frozenset(name for targets in splits for name in targets.values())

"""What a contract may say about one field: how it is recognised, read, checked and changed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import pydantic
from pydantic import StringConstraints
from pydantic.alias_generators import to_camel

from pipeline.contract.values import (
    Name,
    Part,
    Real,
    Texts,
    Whole,
    YesNo,
    read_real,
    read_whole,
    words,
)

FieldType = Literal["string", "integer", "number", "boolean", "date", "datetime"]
Semantic = Literal[
    "person-name",
    "us-state",
    "postal-code-us",
    "phone",
    "ucum-unit",
    "npi",
    "loinc",
    "luhn",
    "range",
    "identifier",
]
Century = Literal["past", "future", "nearest"]


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


class Named(Part):
    """Something with a label for people and other names. The label is one of the names."""

    label: str | None = words("What it means, for people. It matches like an alias.", default=None)
    aliases: Texts = words(
        "Other names it arrives under. Whole names; case, spaces and punctuation do not matter.",
        default=(),
        validate_default=True,
    )

    @pydantic.field_validator("aliases")
    @classmethod
    def _label_is_an_alias(cls, aliases: Texts, info: pydantic.ValidationInfo) -> Texts:
        label = info.data.get("label")
        return aliases if label is None or label in aliases else (label, *aliases)


class Category(Named):
    """One allowed value of a field with the other words it arrives as."""

    value: str = words("The value as it is delivered.")


class CodesRef(Part):
    """Says that a field's values come from a code set of the same contract."""

    set: str = words("Name of a code set below `codesets`.")
    unknown: Literal["reject", "keep", "review"] = words(
        "What happens to a value that is in no code: reject the row, keep the text with a "
        "warning, or review: the row is kept out and listed with the nearest known codes.",
        default="review",
    )


class CodeEntry(Named):
    """One code of a code set. Its key is the value that is delivered."""

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
    above: str | None = words(
        "Code of the same set whose value in the same record should be lower; rows in which it is "
        "not (blood pressure 80/120) are marked.",
        default=None,
    )
    convert: dict[str, str] = words(
        "For units that are no multiple of `unit`: UCUM unit to a formula in x.", default={}
    )
    keep: Texts = words(
        "UCUM units that cannot be converted but are customary: such values are delivered in the "
        "unit they came with, with a warning. `IU/L` is not `U/L`.",
        default=(),
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


def _number(text: str, *, whole: bool) -> int | float:
    try:
        return read_whole(text) if whole else read_real(text)  # type: ignore[no-any-return]
    except ValueError:
        raise ValueError(f"must be a {'whole ' if whole else ''}number") from None


def _typed(value: str | int | float, kind: FieldType) -> str | int | float:
    """Read a bound or an enum entry as the field's type; dates stay ISO 8601 text."""
    if not isinstance(value, str) or kind == "string":
        return value
    if kind in ("integer", "number"):
        return _number(value, whole=kind == "integer")
    try:
        (date if kind == "date" else datetime).fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date like 2025-01-31") from None
    return value


def typed_constraints(rules: Constraints, kind: FieldType) -> Constraints:
    """Give the bounds and the enum the type of their field.

    Raises:
        ValueError: a rule has no meaning for this type, or its value cannot be read.
    """
    bounds = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum")
    lengths = ("min_length", "max_length", "pattern")
    useless = {"string": bounds, "boolean": (*bounds, *lengths, "enum")}.get(kind, lengths)
    update: dict[str, Any] = {}
    for name in (*bounds, *lengths, "enum"):
        value = getattr(rules, name)
        if value is None:
            continue
        if name in useless:
            raise ValueError(f"'{to_camel(name)}' has no meaning for a {kind}")
        try:
            if name in bounds:
                update[name] = _typed(value, kind)
            elif name == "enum":
                update[name] = tuple(_typed(one, kind) for one in value)
        except ValueError as error:
            raise ValueError(f"'{to_camel(name)}' {error}") from None
    return rules.model_copy(update=update)


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

    @pydantic.field_validator("constraints")
    @classmethod
    def _typed_constraints(cls, rules: Constraints, info: pydantic.ValidationInfo) -> Constraints:
        kind = info.data.get("type")
        return rules if kind is None else typed_constraints(rules, kind)

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
        "Zone (IANA name) of times that carry no offset, and of its own names for them (EST, EDT); "
        "without it a person is asked.",
        default=None,
    )
    century: Century = words(
        "Where a two-digit year lies: past for births, future for expiry dates.", default="nearest"
    )
    unit: UnitRule | None = words("Unit conversion, row by row.", default=None)
    split: Split | None = words("Fields that receive parts of the cell.", default=None)
    true_values: Texts = words("Words that mean true.", default=("true", "1"))
    false_values: Texts = words("Words that mean false.", default=("false", "0"))

    @property
    def headings(self) -> Texts:
        """Every heading the field is known by: its name, its title, its aliases."""
        return (self.name, *([self.title] if self.title else []), *self.aliases)

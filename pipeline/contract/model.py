"""What a contract file may say, as types: Frictionless Table Schema 2.0 plus our few words.

Every property that is not named here is refused, because a misspelt rule is a rule that is not
kept. Keys are camelCase in YAML and snake_case here. All YAML values arrive as text (see
`contract.yaml_file`); only what is declared a number or a yes/no below ever becomes one.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal

import pydantic
from pydantic import PrivateAttr, StringConstraints

from pipeline.contract.field import (
    Category,
    CodeEntry,
    CodesRef,
    Constraints,
    Field,
    Named,
    Split,
    UnitRule,
)
from pipeline.contract.values import Name, Names, Part, Real, Texts, Tolerance, Whole, words

__all__ = [
    "Category",
    "Check",
    "CodeEntry",
    "CodesRef",
    "Constraints",
    "Contract",
    "DuplicateReview",
    "Duplicates",
    "Field",
    "ForeignKey",
    "Load",
    "Named",
    "Pivot",
    "Policy",
    "Privacy",
    "Reference",
    "RowSplit",
    "Split",
    "UnitRule",
    "Unpivot",
    "exceeds",
]

DEFAULT_MISSING_VALUES = ("", "N/A", "n/a", "NULL", "null", "-", "--")
"""Texts that mean "no value" when a contract says nothing about it."""


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


class Unpivot(Part):
    """Reads a wide file: its columns that are named like codes become rows of their own.

    The headings are compared with the codes by their whole names, as cells would be; a unit may
    stand behind the name (`Weight (kg)`). A file that has the column of the codes is read as it is.
    """

    codes: Name = words("Field that receives which column a value comes from; it has a code set.")
    values: Name = words("Field that receives the value.")


class Pivot(Part):
    """Reads a long file: each row fills the field that its code names.

    Rows that share the key then become one, so `survivorship` must be merge or most_complete.
    """

    codes: Texts = words("Headings of the column that says which field a value belongs to.")
    values: Texts = words("Headings of the column that holds the value.")
    units: Texts = words("Headings of the column that holds the value's unit.", default=())


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


def exceeds(tolerance: str | None, count: int, total: int) -> bool:
    """True when `count` of `total` is more than the tolerance, `5%` or a count; None never is."""
    if tolerance is None or count == 0:
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
    """What one clean table looks like."""

    schema_url: str | None = words(
        "For other tools: https://datapackage.org/profiles/2.0/tableschema.json",
        alias="$schema",
        default=None,
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
    privacy: Privacy = words("What identifies a person.", default=Privacy())
    load: Load = words("How a database should take it.", default=Load())
    policy: Policy = words("How strict to be.", default=Policy())
    split_rows: tuple[RowSplit, ...] = words("Records that become several rows.", default=())
    unpivot: Unpivot | None = words("How a wide file becomes this long table.", default=None)
    pivot: Pivot | None = words("How a long file becomes this wide table.", default=None)

    _source: str = PrivateAttr(default="")
    _sha256: str = PrivateAttr(default="")

    def __repr__(self) -> str:
        return f"Contract({self.name!r}, version={self.version!r}, {len(self.fields)} fields)"

    @property
    def source(self) -> str:
        """Path of the file it was loaded from; empty when it was made in code."""
        return self._source

    @property
    def sha256(self) -> str:
        """Digest of the bytes of that file, in hex."""
        return self._sha256

    @cached_property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields in delivery order."""
        return tuple(field.name for field in self.fields)

    def field(self, name: str) -> Field:
        """Return the field of that name.

        Raises:
            KeyError: there is none.
        """
        return self.by_name[name]

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """The fields by name, the first of those that share one."""
        return {field.name: field for field in reversed(self.fields)}

    def missing_values_of(self, field: Field) -> Texts:
        """Texts that mean "no value" in this field."""
        return self.missing_values if field.missing_values is None else field.missing_values

    def derived_fields(self) -> frozenset[str]:
        """Names of fields that are made from the cells of another field."""
        splits = (field.split.targets() for field in self.fields if field.split is not None)
        return frozenset(name for targets in splits for name in targets.values())

"""A record before it is written: its cells, and the truth about what must become of them.

The truth is made together with the cells, never read back from them, and by none of the product's
code: so it can be held against the product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Cell = tuple[str, str]
"""A cell as the export writes it, and as it must be delivered ("" for no value)."""


Delimiter = Literal[",", ";", "\t", "|"]
Layout = Literal["row", "short", "long", "stray-quote", "empty", "separators", "spaces", "header"]
SKIPPED: tuple[Layout, ...] = ("empty", "separators", "spaces", "header")
"""Records that hold nothing: blank ones, and the header once more."""


class Fate(StrEnum):
    """What must become of a record of the source."""

    WRITTEN = "written"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a file is written. The same seed in another style tells the same facts.

    messy: False writes every value in one plain way and plants no faults.
    western: only characters that cp1252 has; always so when that is the encoding.
    """

    delimiter: Delimiter = ","
    encoding: Literal["utf-8", "utf-8-sig", "cp1252"] = "utf-8"
    decimal: Literal[".", ","] = "."
    line_ending: Literal["\n", "\r\n"] = "\n"
    messy: bool = True
    western: bool = False

    @property
    def is_western(self) -> bool:
        """Whether cells must do with the characters of cp1252."""
        return self.western or self.encoding == "cp1252"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What must become of one record.

    record counts from 1 below the header, blank lines included; line is its first physical line.
    codes say why it is rejected. rows are the delivered rows by field, without empty cells: two
    for a blood pressure, none for a record that is not written.
    """

    record: int
    line: int
    fate: Fate
    codes: tuple[str, ...] = ()
    rows: tuple[dict[str, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Draft:
    """A record that is not placed yet.

    cells: by column. rows: what must be delivered. codes: why not, if not. twin: drafts with the
    same twin say the same thing, and only the first of them in the file is written. layout: how
    the record stands in the file; the blank ones have no cells.
    """

    cells: dict[str, str] = field(default_factory=dict)
    rows: tuple[dict[str, str], ...] = ()
    codes: tuple[str, ...] = ()
    twin: int | None = None
    layout: Layout = "row"


def without_empty(row: Mapping[str, str]) -> dict[str, str]:
    """The cells that hold something."""
    return {name: cell for name, cell in row.items() if cell}

"""How lines of a text split into cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RawDialect:
    """One way to split lines.

    delimiter: one or more characters; None for a single column; "" for runs of blanks.
    quote: the character around cells that hold the delimiter, None when there is none.
    escape: the character that makes the next one plain text; a doubled quote always stands for one.
    skip_space: spaces behind a delimiter belong to it. padded: so do those before it.
    """

    delimiter: str | None
    quote: str | None = None
    escape: str | None = None
    skip_space: bool = False
    padded: bool = False

    def describe(self) -> dict[str, Any]:
        """Plain data, in the words of Python's csv module."""
        return {
            "delimiter": " " if self.delimiter == "" else self.delimiter,
            "quotechar": self.quote,
            "escapechar": self.escape,
            "skipinitialspace": self.skip_space or self.delimiter == "",
        }

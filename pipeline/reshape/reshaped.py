"""A table that is turned as it is read; what both ways of turning have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.formats.base import TableReader, TextBatch


class ReshapedReader:
    """A table turned as it is read. The source's own columns come first and stay where they are.

    consumed: positions of the source's columns whose cells went into the added ones.
    """

    def __init__(
        self,
        reader: TableReader,
        *,
        added: Sequence[str],
        consumed: frozenset[int],
        about: dict[str, Any],
        turn: Callable[[TextBatch], TextBatch],
    ) -> None:
        self._reader, self._turn, self._about = reader, turn, about
        self.source_header = reader.header
        self.consumed = consumed
        self._header = (*reader.header, *added)

    @property
    def header(self) -> tuple[str, ...]:
        """The source's labels, then the names of the fields the added columns are for."""
        return self._header

    def describe(self) -> dict[str, Any]:
        """How the file is read, and how its table is turned."""
        return {**self._reader.describe(), "reshaped": self._about}

    def batches(self) -> Iterator[TextBatch]:
        """The rows in order."""
        return map(self._turn, self._reader.batches())


def source_header(reader: TableReader) -> tuple[str, ...]:
    """Labels as the file has them, without the columns that were added."""
    found: tuple[str, ...] = getattr(reader, "source_header", reader.header)
    return found


def consumed_by(reader: TableReader) -> frozenset[int]:
    """Positions of the file's columns whose cells went into columns that were added."""
    found: frozenset[int] = getattr(reader, "consumed", frozenset())
    return found


def sentence_of(about: Mapping[str, Any]) -> str:
    """What was done to the table, from `describe()["reshaped"]`, in words."""
    if about["how"] == "unpivot":
        names = ", ".join(f"{label} ({code})" for label, code in about["columns"].items())
        units = "; units stand in the headings" if about["units"] else ""
        return (
            f"columns are named like codes of {about['codes']}, so each of their values becomes a "
            f"row of its own: {names}{units}"
        )
    found = ", ".join(about["fields"])
    return (
        f"the column {about['codes']} names the field each value belongs to ({found}); "
        f"rows with one key become one row"
    )

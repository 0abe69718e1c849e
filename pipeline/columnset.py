"""What follows from the columns of a file alone, whatever stands in them.

The files of a feed have the same header, so it is worked out for the first of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pipeline.contract.loading import Contract
from pipeline.errors import FileCode
from pipeline.formats.base import TableReader
from pipeline.inspectors import Setting
from pipeline.kinds import kind_of
from pipeline.mapping.by_name import ColumnMapping
from pipeline.mapping.layout import labels_fingerprint, layout_fingerprint
from pipeline.mapping.model import Seen
from pipeline.plan import UnclaimedColumn
from pipeline.reshape.reshaped import source_header
from pipeline.review.answers import key_of_column
from pipeline.same import Same, remembered
from pipeline.standardize.base import Question

CODED = frozenset({"code", "category", "boolean", "ucum-unit"})
"""Kinds whose values are spellings of codes, which somebody may tell."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownColumns:
    """The columns of a file, as a contract and a mapping see them.

    labels: of the file's own columns. positions, settings: by mapped field. columns: mapped fields
    in the contract's order, each with its column's label. questions: about columns, not values.
    """

    header: tuple[str, ...]
    labels: tuple[str, ...]
    delimiter: str | None
    positions: dict[str, int]
    settings: dict[str, Setting]
    columns: tuple[tuple[str, str], ...]
    unclaimed: tuple[UnclaimedColumn, ...]
    questions: tuple[Question, ...]
    labels_fingerprint: str

    def layout(self, seen: Sequence[Seen]) -> str:
        """Fingerprint of labels and of what was seen below them, in the order of `settings`."""
        return _layout(self, *seen)


@remembered(1_024)
def _layout(known: KnownColumns, *seen: Seen) -> str:
    below = zip(known.positions.values(), seen, strict=True)
    return layout_fingerprint(
        known.labels,
        [(known.header[at], one) for at, one in below if at < len(known.labels)],
        known.delimiter,
    )


def known_of(
    reader: TableReader,
    contract: Contract,
    mapping: ColumnMapping,
    today: datetime.date,
    delimiter: str | None,
) -> KnownColumns:
    """What is known of a reader's columns; for the same ones it is the very same thing."""
    labels = source_header(reader)
    return _known_of(reader.header, labels, Same(contract), Same(mapping), today, delimiter)


@lru_cache(maxsize=256)
def _known_of(
    header: tuple[str, ...],
    labels: tuple[str, ...],
    of: Same[Contract],
    by: Same[ColumnMapping],
    today: datetime.date,
    delimiter: str | None,
) -> KnownColumns:
    contract, mapping = of.thing, by.thing
    return KnownColumns(
        header=header,
        labels=labels,
        delimiter=delimiter,
        positions={name: match.position for name, match in mapping.matched.items()},
        settings={
            name: Setting(
                label=label_of(header, match.position),
                contract=contract,
                today=today,
                delimiter=delimiter,
                words=match.words,
            )
            for name, match in mapping.matched.items()
        },
        columns=tuple(
            (name, header[mapping.matched[name].position])
            for name in contract.field_names
            if name in mapping.matched
        ),
        unclaimed=_unclaimed(header, contract, mapping),
        questions=tuple(_questions_about_columns(header, contract, mapping)),
        labels_fingerprint=labels_fingerprint(labels),
    )


def label_of(header: tuple[str, ...], position: int) -> str:
    """What a column is called in questions: its label, with its place where that is not enough."""
    return key_of_column(header[position], position + 1, header)


def _unclaimed(
    header: tuple[str, ...], contract: Contract, mapping: ColumnMapping
) -> tuple[UnclaimedColumn, ...]:
    fate = "ignore" if contract.policy.new_columns == "ignore" else "rescue"
    fates = dict.fromkeys(mapping.rescued, fate) | dict.fromkeys(mapping.kept, "rescue")
    fates |= dict.fromkeys(mapping.ignored, "ignore")
    return tuple(
        UnclaimedColumn(
            label=header[position],
            position=position,
            fate=fates[position],
            nearest_field=next(iter(mapping.suggestions.get(position, ())), None),
        )
        for position in sorted(fates)
    )


def _questions_about_columns(
    header: tuple[str, ...], contract: Contract, mapping: ColumnMapping
) -> Iterator[Question]:
    free = {
        label_of(header, at): f"the column at place {at + 1} feeds it" for at in mapping.rescued
    }
    for name in mapping.missing_required:
        can_be_constant = kind_of(contract.field(name)) in CODED
        is_settleable = bool(free) or can_be_constant
        yield Question(
            code=FileCode.REQUIRED_MISSING,
            column=name,
            sentence=f"{contract.name} requires {name}, and no column is called so.",
            key=f"field:{name}" if is_settleable else "",
            answers=free,
            free="'=value' gives every row the same value" if is_settleable else None,
        )
    for name, positions in mapping.conflicts.items():
        places = " and ".join(str(position + 1) for position in positions)
        yield Question(
            code=FileCode.COLUMN_CONFLICT,
            column=header[positions[0]],
            sentence=f"Columns {places} both claim the field {name}.",
            key=f"field:{name}",
            answers={
                label_of(header, at): f"the column at place {at + 1} is {name}" for at in positions
            },
        )
    if contract.policy.new_columns == "fail" and mapping.rescued:
        places = ", ".join(str(position + 1) for position in mapping.rescued)
        yield Question(
            code=FileCode.COLUMN_NEW,
            column=f"column {mapping.rescued[0] + 1}",
            sentence=f"No field of {contract.name} claims column {places}.",
        )

"""Wide and long tables: the same values side by side, or one below the other.

A contract may say that its table is long (`unpivot`): then a file with a column for each sign
(heart_rate, sbp, temp) is read as one row for each of these values. Or that its table is wide
(`pivot`): then a file with one row for each sign is read as rows with that one cell filled, and
rows that share the key are merged by `duplicates.survivorship`.

Only whole names decide. The table is turned as it is read, so everything after that sees an
ordinary table. Records keep their number and their line: rows made of one record are accounted
for, and kept out, together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from pipeline.contract.model import Contract
from pipeline.formats.base import TableReader
from pipeline.mapping.by_name import ColumnMapping, map_columns
from pipeline.reshape.pivot import pivoted
from pipeline.reshape.unpivot import unpivoted

_PERIOD = re.compile(r"(?:19|20)\d\d(?:[-/_. ]?(?:0?[1-9]|1[0-2]|[qQ][1-4]))?")
_FEWEST_PERIODS = 2


def reshaped(reader: TableReader, contract: Contract) -> TableReader:
    """The table as `contract` wants it: turned where the contract says so and the headings fit.

    Raises:
        ContentError: COLUMN_CONFLICT when two columns are named like one code.
    """
    if contract.pivot is not None:
        return pivoted(reader, contract) or reader
    if contract.unpivot is not None:
        return unpivoted(reader, contract, contract.unpivot) or reader
    return reader


def map_reshaped(
    header: Sequence[str], contract: Contract, consumed: Collection[int]
) -> ColumnMapping:
    """As `map_columns`; a column that was taken apart is not one that nobody claims.

    consumed: places of those that were.
    """
    mapping = map_columns(tuple(header), contract)
    if not consumed:
        return mapping
    return replace(
        mapping,
        rescued=tuple(at for at in mapping.rescued if at not in consumed),
        suggestions={at: one for at, one in mapping.suggestions.items() if at not in consumed},
    )


def offer_to_unpivot(header: Sequence[str]) -> str | None:
    """What to tell about a file whose columns are years, quarters or months; None for others."""
    places = [at for at, label in enumerate(header) if _PERIOD.fullmatch(label.strip())]
    if len(places) < _FEWEST_PERIODS:
        return None
    columns = ", ".join(str(at + 1) for at in places)
    return (
        f"columns {columns} are named by periods of time, so each row holds several values side by "
        "side: unpivot the table (one row for each period, with a column that names it) and drop "
        "it again, or give the contract an 'unpivot' whose codes are these periods"
    )

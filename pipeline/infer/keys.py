"""Which fields of a sample could be its key."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from pipeline.infer.facts import ColumnFacts
from pipeline.infer.model import FieldProposal, Proposal

_MOST_KEY_FIELDS = 3
_MOST_KEY_CANDIDATES = 8
_ALMOST_ALL = 0.9


def key_of(proposal: Proposal, facts: Sequence[ColumnFacts]) -> tuple[str, ...]:
    """The fewest fields that are never empty and together unique; rows that repeat whole aside.

    An identifier that is almost unique comes before others that are: it is likely to be the key,
    with mistakes in the sample, and no other is proposed in its place.
    """
    hashes = [one.whole for one in facts]
    rows = np.stack(hashes, axis=1)
    rows = rows[np.unique(rows, axis=0, return_index=True)[1]]
    if len(rows) < 2:
        return ()
    almost = False
    for one in proposal.fields:
        different = len(np.unique(rows[:, one.position]))
        if not one.can_be_key or "required" not in one.constraints:
            continue
        if different == len(rows):
            one.constraints["unique"] = True
        elif different >= _ALMOST_ALL * len(rows) and not _unique_before(proposal, one):
            almost = True
            one.notes.append(
                f"Almost a key: {len(rows) - different} of its values stand in a row that is not "
                "the first with them."
            )
    if almost:
        return ()
    candidates = [one for one in proposal.fields if _may_be_key(one)][:_MOST_KEY_CANDIDATES]
    for size in range(1, _MOST_KEY_FIELDS + 1):
        for group in combinations(candidates, size):
            if not any(one.can_be_key for one in group):
                continue
            columns = rows[:, [one.position for one in group]]
            if len(np.unique(columns, axis=0)) == len(rows):
                for one in group:
                    one.constraints.pop("unique", None) if size == 1 else None
                return tuple(one.name for one in group)
    return ()


def _unique_before(proposal: Proposal, one: FieldProposal) -> bool:
    return any("unique" in other.constraints for other in proposal.fields[: one.position])


def _may_be_key(one: FieldProposal) -> bool:
    """Fields that name a thing, a time or a kind; never a measured value or a sentence."""
    kinds = one.can_be_key or one.type in ("date", "datetime") or "categories" in one.extra
    return kinds and "required" in one.constraints

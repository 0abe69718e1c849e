"""Counts of what a conversion changed, which are easier to read in a test than row numbers."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.standardize.base import Rows


def counted(changed: Mapping[str, Rows]) -> dict[str, int]:
    """How many rows were changed, by reason."""
    return {reason: len(rows) for reason, rows in changed.items()}

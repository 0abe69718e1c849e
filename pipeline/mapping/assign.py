"""One field, one column: the assignment whose confidences add up to the most."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

C = TypeVar("C", bound=Hashable)
F = TypeVar("F", bound=Hashable)


def assign(scores: Mapping[tuple[C, F], float]) -> dict[F, C]:
    """Field -> column; pairs without a positive score are never made.

    All pairs are solved together (Kuhn-Munkres), so that a column goes where it helps most.
    """
    columns = list(dict.fromkeys(column for column, _ in scores))
    fields = list(dict.fromkeys(field for _, field in scores))
    if not columns:
        return {}
    size = max(len(columns), len(fields))
    best = max(scores.values())
    cost = [
        [
            best - max(0.0, scores.get((columns[row], fields[at]), 0.0))
            if row < len(columns) and at < len(fields)
            else best
            for at in range(size)
        ]
        for row in range(size)
    ]
    chosen = _cheapest(cost)
    return {
        fields[at]: columns[row]
        for at, row in enumerate(chosen)
        if at < len(fields)
        and row < len(columns)
        and scores.get((columns[row], fields[at]), 0.0) > 0
    }


def _cheapest(cost: list[list[float]]) -> list[int]:
    """Row of each column in the cheapest assignment of a square matrix."""
    size = len(cost)
    potential_row, potential = [0.0] * (size + 1), [0.0] * (size + 1)
    row_of = [0] * (size + 1)  # 1-based; 0 is nobody
    came_from = [0] * (size + 1)
    for row in range(1, size + 1):
        row_of[0] = row
        at = 0
        least = [float("inf")] * (size + 1)
        used = [False] * (size + 1)
        while row_of[at]:
            used[at] = True
            current, delta, following = row_of[at], float("inf"), 0
            for other in range(1, size + 1):
                if used[other]:
                    continue
                here = cost[current - 1][other - 1] - potential_row[current] - potential[other]
                if here < least[other]:
                    least[other], came_from[other] = here, at
                if least[other] < delta:
                    delta, following = least[other], other
            for other in range(size + 1):
                if used[other]:
                    potential_row[row_of[other]] += delta
                    potential[other] -= delta
                else:
                    least[other] -= delta
            at = following
        while at:
            row_of[at] = row_of[came_from[at]]
            at = came_from[at]
    return [row - 1 for row in row_of[1:]]

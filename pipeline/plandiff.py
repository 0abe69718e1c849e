"""Two plans of one source compared: what is read, mapped or written otherwise than the last time.

Sentences for people, without cell values. No difference says that the same was decided again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.formats.dialect import name as name_of_delimiter
from pipeline.mapping.layout import differences as changed_shapes
from pipeline.mapping.layout import label_key
from pipeline.mapping.model import MappedField, Seen
from pipeline.plan import ColumnPlan, Plan

_READING = {"encoding": "The encoding", "header_line": "The line of the header"}


def differences(before: Plan, now: Plan) -> tuple[str, ...]:
    """What `now` decides otherwise than `before`, the whole file first, then column by column."""
    return (*_of_the_file(before, now), *_of_columns(before, now))


def _of_the_file(before: Plan, now: Plan) -> Iterator[str]:
    if before.contract != now.contract:
        yield f"It was read as {before.contract} and is read as {now.contract}."
    elif before.contract_version != now.contract_version:
        versions = f"was {before.contract_version} and is {now.contract_version}"
        yield f"The version of the contract {now.contract} {versions}."
    elif before.contract_sha256 != now.contract_sha256:
        yield f"The contract {now.contract} was edited."
    if before.mapping != now.mapping:
        yield f"The mapping was {before.mapping or 'none'} and is {now.mapping or 'none'}."
    for key, what in _READING.items():
        old, new = before.reading.get(key), now.reading.get(key)
        if old != new:
            yield f"{what} was {old} and is {new}."
    old, new = before.reading.get("delimiter"), now.reading.get("delimiter")
    if old and new and old != new:
        named = f"was {name_of_delimiter(old)} and is {name_of_delimiter(new)}"
        yield f"The separator of the cells {named}."


def _of_columns(before: Plan, now: Plan) -> Iterator[str]:
    old, new = _fates(before), _fates(now)
    for key, (label, fate) in new.items():
        if key not in old:
            yield f"`{label}` is new; it {_said(fate)}."
        elif old[key][1] != fate:
            yield f"`{label}` {_said(old[key][1], past=True)} and {_said(fate)}."
    for key, (label, fate) in old.items():
        if key not in new:
            yield f"`{label}` is gone; it {_said(fate, past=True)}."
    known = {(label_key(one.label), one.field): one for one in before.columns}
    for column in now.columns:
        last = known.get((label_key(column.label), column.field))
        if last is not None:
            yield from _of_values(last, column)


def _fates(plan: Plan) -> dict[str, tuple[str, str]]:
    """By label: the label as it stands, and the fields it feeds or what becomes of it."""
    found: dict[str, tuple[str, str]] = {}
    for column in plan.columns:
        key = label_key(column.label)
        others = found.get(key, ("", ""))[1]
        found[key] = (column.label, f"{others} and {column.field}" if others else column.field)
    for unclaimed in plan.unclaimed:
        found.setdefault(label_key(unclaimed.label), (unclaimed.label, f"={unclaimed.fate}"))
    return found


def _said(fate: str, *, past: bool = False) -> str:
    """A fate in words: `feeds value`, `was kept beside the data`."""
    match fate:
        case "=rescue":
            return f"{'was' if past else 'is'} kept beside the data"
        case "=ignore":
            return f"{'was' if past else 'is'} left out"
        case _:
            return f"{'fed' if past else 'feeds'} {fate}"


def _of_values(before: ColumnPlan, now: ColumnPlan) -> Iterator[str]:
    told = MappedField(name=now.label, to=(now.field,), seen=_seen(before))
    yield from (f"{sentence}." for sentence in changed_shapes(told, _seen(now)))
    old, new = before.decision.get("timezone"), now.decision.get("timezone")
    if old != new:
        yield f"`{now.label}` was read in the zone {old or 'none'} and is read in {new or 'none'}."


def _seen(column: ColumnPlan) -> Seen:
    shape: dict[str, Any] = column.seen
    return Seen.model_validate(shape)

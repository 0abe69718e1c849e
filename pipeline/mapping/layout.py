"""What a source's files look like: labels and the shapes of their values, as one fingerprint.

Two levels. Labels alone say that a file comes from a known source; labels and shapes together say
that nothing about it has changed its meaning. A source may name fewer units or dates today than
yesterday without anybody being asked; something new under an old label is asked about.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import unicodedata
from collections.abc import Iterable
from collections.abc import Mapping as Named
from functools import lru_cache
from typing import Any

from pipeline.formats.dialect import name as name_of_delimiter
from pipeline.mapping.dateformats import FormatError, orders_of
from pipeline.mapping.model import MappedField, Mapping, Seen
from pipeline.mapping.rules import FRACTION
from pipeline.same import remembered
from pipeline.standardize.datedecision import ORDER_NAMES

ANY_CODE = "*"
"""Key of units where a column has one kind of value."""

_TELLING_SHARE = 0.05  # what fewer values show may be slips
_SIGNS = {",": "comma", ".": "point"}


def label_key(label: str) -> str:
    """A label as it is compared: NFC, case and outer space aside. No letter is left out."""
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold())
    return " ".join(composed.split())


def labels_fingerprint(labels: Iterable[str]) -> str:
    """Fingerprint of labels, in any order."""
    return _digest(_written_labels(tuple(labels)))


def layout_fingerprint(
    labels: Iterable[str], seen: Iterable[tuple[str, Seen]], delimiter: str | None
) -> str:
    """Fingerprint of labels and what the values below some of them look like."""
    shapes = ",".join(text for _, text in sorted(_shape_below(of, one) for of, one in seen))
    return _digest(f"[{_written_labels(tuple(labels))},[{shapes}],{_written(delimiter)}]")


@remembered(8_192)
def _shape_below(label: str, seen: Seen) -> tuple[str, str]:
    """What its place among the others goes by, and what of it goes into the fingerprint."""
    both = [label_key(label), _shape(seen)]
    return json.dumps(both), _written(both)


@lru_cache(maxsize=256)
def _written_labels(labels: tuple[str, ...]) -> str:
    return _written(sorted(map(label_key, labels)))


def _shape(seen: Seen) -> dict[str, Any]:
    """What of a column goes into the fingerprint; the same before and after codes are told."""
    shape: dict[str, Any] = seen.model_dump(mode="json", exclude_defaults=True)
    shape["units"] = sorted({unit for several in seen.units.values() for unit in several})
    return shape


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def seen_in(kind: str, evidence: Named[str, Any], units: Named[str, Iterable[str]]) -> Seen:
    """What a column's evidence shows of its shape.

    kind: as `kinds.kind_of`. units: code -> units the column itself names or its values carry.
    """
    return Seen(
        type=kind,
        dates=_dates(evidence) if kind in ("date", "datetime") else {},
        decimal=_decimal(evidence) if kind in ("number", "integer", "range") else None,
        units={code or ANY_CODE: tuple(sorted(several)) for code, several in units.items()},
    )


def _dates(evidence: Named[str, Any]) -> dict[str, str]:
    values = evidence.get("values", 0)
    return {
        shape: _proven(counts)
        for shape, counts in evidence.get("shapes", {}).items()
        if counts.get("values", 0) > _TELLING_SHARE * values
    }


def _proven(counts: Named[str, int]) -> str:
    day, month = counts.get("day-first", 0), counts.get("month-first", 0)
    if day and month:
        return "dmy" if day >= month else "mdy"
    if day or month:
        return "dmy" if day else "mdy"
    return ""


def _decimal(evidence: Named[str, Any]) -> str | None:
    point = evidence.get("point_proof", 0) + evidence.get("point_proof_grouped", 0)
    comma = evidence.get("comma_proof", 0) + evidence.get("comma_proof_grouped", 0)
    if not point and not comma:
        return None
    return "." if point >= comma else ","


def differences(mapped: MappedField, now: Seen) -> list[str]:
    """What is new about a column since somebody confirmed it, in sentences for people."""
    before = _confirmed(mapped)
    label = f"`{mapped.name}`"
    sentences = []
    if before.decimal and now.decimal and before.decimal != now.decimal:
        sentences.append(
            f"{label} used a {_SIGNS[before.decimal]} until now and uses a {_SIGNS[now.decimal]} "
            "in this file"
        )
    sentences += _changed_dates(label, before.dates, now.dates)
    sentences += _changed_units(label, _units(mapped, before.units, now.units), now.units)
    return sentences


def _confirmed(mapped: MappedField) -> Seen:
    """What was seen, and what was said where nothing was seen."""
    dates = dict(mapped.seen.dates)
    try:
        told = orders_of(mapped.format)
    except FormatError:  # it was checked when the mapping was confirmed
        told = {}
    dates |= {shape: order for shape, order in told.items() if not dates.get(shape)}
    return mapped.seen.model_copy(
        update={"dates": dates, "decimal": mapped.decimal_char or mapped.seen.decimal}
    )


def _units(
    mapped: MappedField, seen: Named[str, Iterable[str]], now: Named[str, Iterable[str]]
) -> dict[str, Iterable[str]]:
    """The units until now: those that were seen, else what somebody said bare numbers are in."""
    told = {code: mapped.units.get(code, mapped.unit) for code in now}
    said = {code: (unit,) for code, unit in told.items() if unit and unit != FRACTION}
    return {**said, **{code: units for code, units in seen.items() if tuple(units)}}


def _changed_dates(label: str, before: Named[str, str], now: Named[str, str]) -> list[str]:
    if not before:
        return []
    sentences = []
    for shape, order in now.items():
        if shape not in before:
            known = " or ".join(before)
            sentences.append(
                f"{label} was written {known} until now and is written {shape} in this file"
            )
        elif order and before[shape] and order != before[shape]:
            sentences.append(
                f"{label} was {ORDER_NAMES[before[shape]]} until now and is {ORDER_NAMES[order]} "
                f"in this file (dates written {shape})"
            )
    return sentences


def _changed_units(
    label: str, before: Named[str, Iterable[str]], now: Named[str, Iterable[str]]
) -> list[str]:
    sentences = []
    for code, units in now.items():
        known = set(before.get(code, ()))
        new = [unit for unit in units if unit not in known]
        if known and new:
            about = "" if code == ANY_CODE else f" for {code}"
            sentences.append(
                f"{label} named {' and '.join(sorted(known))}{about} until now and names "
                f"{' and '.join(new)} in this file"
            )
    return sentences


def changed_delimiter(mapping: Mapping, now: str | None) -> str | None:
    """A sentence when cells are separated otherwise than before."""
    before = mapping.dialect.delimiter
    if before is None or now is None or before == now:
        return None
    return (
        f"The cells were separated by {name_of_delimiter(before)} until now and are separated by "
        f"{name_of_delimiter(now)} in this file"
    )


def path_fits(mapping: Mapping, source_path: str) -> bool:
    """True when the mapping is for files at this path of the inbox; "" is a path nobody knows."""
    pattern = mapping.match.path
    return pattern is None or not source_path or fnmatch.fnmatchcase(source_path, pattern)


def overlap(mapping: Mapping, labels: Iterable[str]) -> float:
    """How many of the mapping's or the file's labels, whichever are more, are the same, 0 to 1."""
    known, here = set(map(label_key, mapping.labels)), set(map(label_key, labels))
    most = max(len(known), len(here))
    return len(known & here) / most if most else 0.0

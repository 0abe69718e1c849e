"""The offset of local times: by the zone their text names, else by the field's zone, else none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.standardize.civil import Flags, Ints, Longs
from pipeline.standardize.timezones import (
    abbreviation_offset,
    is_known_zone,
    names_its_times,
    resolve,
)

_SECOND = 1_000_000  # microseconds
_FIXED = re.compile(r"(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-5][0-9])")


@dataclass(slots=True)
class Offsets:
    """Minutes east of UTC; arbitrary where a flag says there is none."""

    minutes: Ints
    no_zone: Flags
    twice: Flags
    never: Flags


def is_zone(meaning: str) -> bool:
    """Say whether a text is an offset ("-05:00") or an IANA zone."""
    return _FIXED.fullmatch(meaning) is not None or is_known_zone(meaning)


def find_offsets(
    local: Longs, abbreviation: str | None, timezone: str | None, zones: Mapping[str, str]
) -> Offsets:
    """Offsets of local times (microseconds on the local clock) that all name the same zone.

    abbreviation: as written beside them ("EST"), None for nothing. timezone: the field's IANA
    zone; it tells what its own names mean (EST, EDT). zones: what a person said abbreviations mean,
    an offset or an IANA zone.
    """
    none = np.zeros(len(local), dtype=np.bool_)
    meaning = timezone if abbreviation is None else zones.get(abbreviation)
    if meaning is None and abbreviation is not None and names_its_times(timezone, abbreviation):
        meaning = timezone
    if meaning is None:
        return Offsets(np.zeros(len(local), dtype=np.int32), ~none, none, none)
    if fixed := _FIXED.fullmatch(meaning):
        distance = int(fixed["hours"]) * 60 + int(fixed["minutes"])
        minutes = -distance if fixed["sign"] == "-" else distance
        return Offsets(np.full(len(local), minutes, dtype=np.int32), none, none, none)
    local_s = np.floor_divide(local, _SECOND)
    if abbreviation is not None:
        return _by_abbreviation(local_s, meaning, abbreviation)
    years = local_s.astype("M8[s]").astype("M8[Y]").astype(np.int32) + 1970
    found = resolve(local_s, years, meaning)
    # Before zones were standard, places kept solar time: no offset in whole minutes exists.
    is_solar = found.offset_s % 60 != 0
    return Offsets((found.offset_s // 60).astype(np.int32), is_solar, found.twice, found.never)


def _by_abbreviation(local_s: Longs, zone: str, abbreviation: str) -> Offsets:
    distinct, slots = np.unique(local_s, return_inverse=True)
    known = [abbreviation_offset(int(at), zone, abbreviation) for at in distinct]
    minutes = np.array([0 if s is None else s // 60 for s in known], dtype=np.int32)
    missing = np.array([s is None or s % 60 != 0 for s in known], dtype=np.bool_)
    none = np.zeros(len(local_s), dtype=np.bool_)
    return Offsets(minutes[slots], missing[slots], none, none)

"""Local time to UTC by the zone's own rules; a local time that was twice or never is not resolved.

The zone's changes are found once per year and kept, so a batch costs a binary search a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from pipeline.standardize.civil import Flags, Ints, Longs

_DAY_S = 86_400
_TODAY = 2025  # any year under the rules that hold now
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LocalTimes:
    """Offsets of local times. `offset_s` is arbitrary where a flag is set.

    twice: the clock showed this time two times. never: the clock skipped it.
    """

    offset_s: Longs
    twice: Flags
    never: Flags


def is_known_zone(name: str) -> bool:
    """Say whether `name` is an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def resolve(local_s: Longs, years: Ints, zone: str) -> LocalTimes:
    """Find the UTC offset of local times in an IANA zone.

    local_s: seconds since 1970-01-01T00:00 on the local clock. years: their calendar years.
    """
    at, before, after = _changes(zone, years)
    first_sure = at + np.maximum(before, after)
    index = np.searchsorted(first_sure, local_s, side="right")
    # `index` is the next change; a time already inside its gap or overlap belongs to neither side.
    upcoming = np.minimum(index, len(at) - 1)
    inside = (index < len(at)) & (local_s >= at[upcoming] + np.minimum(before, after)[upcoming])
    is_overlap = before[upcoming] > after[upcoming]
    offset = np.concatenate((before[:1], after))[index]
    return LocalTimes(offset, inside & is_overlap, inside & ~is_overlap)


def _changes(zone: str, years: Ints) -> tuple[Longs, Longs, Longs]:
    """Changes (UTC second, offset before, offset after) around the given years, ascending.

    Each year opens with a change that changes nothing, so years far apart need nothing between.
    """
    present = np.unique(years)
    wanted = np.unique(np.concatenate((present - 1, present, present + 1)))
    rows = [row for year in wanted for row in _changes_of_year(zone, int(year))]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


@lru_cache(maxsize=4096)
def _changes_of_year(zone: str, year: int) -> tuple[tuple[int, int, int], ...]:
    """Changes of one UTC year, found day by day: no zone changes twice within a day."""
    if not 2 <= year <= 9998:  # neighbours of the calendar's ends add nothing
        return ()
    info = ZoneInfo(zone)
    start = int((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    end = int((datetime(year + 1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    known = _offset_at(info, start)
    changes = [(start, known, known)]
    for day in range(start, end, _DAY_S):
        offset = _offset_at(info, day + _DAY_S)
        if offset != known:
            changes.append((_moment_of_change(info, day, day + _DAY_S), known, offset))
            known = offset
    return tuple(changes)


def _moment_of_change(info: ZoneInfo, low: int, high: int) -> int:
    """Return the first UTC second in (low, high] at which the later offset holds."""
    earlier = _offset_at(info, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_at(info, middle) == earlier:
            low = middle
        else:
            high = middle
    return high


def _offset_at(info: ZoneInfo, utc_s: int) -> int:
    offset = (_EPOCH + timedelta(seconds=utc_s)).astimezone(info).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def abbreviation_offset(local_s: int, zone: str, abbreviation: str) -> int | None:
    """Offset in seconds of a local time that names its zone's abbreviation (EST, EDT, CEST).

    The abbreviation settles a doubled hour. None when the zone did not use it at that time.
    """
    naive = datetime(1970, 1, 1) + timedelta(seconds=local_s)  # noqa: DTZ001 - a local clock
    for fold in (0, 1):
        moment = naive.replace(tzinfo=ZoneInfo(zone), fold=fold)
        if moment.tzname() == abbreviation and _was_shown(moment):
            offset = moment.utcoffset()
            return None if offset is None else int(offset.total_seconds())
    return None


def _was_shown(moment: datetime) -> bool:
    """Say whether a clock showed this local time: going to UTC and back loses the skipped ones."""
    try:
        back = moment.astimezone(UTC).astimezone(moment.tzinfo)
    except OverflowError:  # within hours of the calendar's ends
        return False
    return back.replace(tzinfo=None) == moment.replace(tzinfo=None)


def names_its_times(zone: str | None, abbreviation: str) -> bool:
    """Whether the places of an IANA zone call their time so, in winter or in summer, today."""
    return zone is not None and abbreviation in _names_of(zone)


@lru_cache(maxsize=64)
def _names_of(zone: str) -> frozenset[str]:
    if not is_known_zone(zone):
        return frozenset()
    info = ZoneInfo(zone)
    moments = (datetime(_TODAY, month, 1, tzinfo=info) for month in (1, 4, 7, 10))
    names = {(moment.tzname() or "").upper() for moment in moments}
    return frozenset(name for name in names if name.isalpha())

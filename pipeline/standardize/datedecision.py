"""How the dates of a column are read, as plain data: a decision, and what people confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from pipeline.plain import as_dict
from pipeline.standardize.civil import Century
from pipeline.standardize.datewords import LANGUAGES
from pipeline.standardize.zonedtimes import is_zone

DateKind = Literal["date", "datetime"]
ORDER_NAMES = {"dmy": "day-month-year", "mdy": "month-day-year", "ymd": "year-month-day"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DateHint:
    """What a person confirmed about a column; it answers questions, it does not bend proof.

    orders: shape -> "dmy", "mdy" or "ymd"; order: the same for every other shape.
    languages: codes of `datewords.LANGUAGES` whose month names occur.
    zones: abbreviation -> offset ("-05:00") or IANA zone.
    serials: day numbers count from 1900 or from 1904.
    bare: what becomes of dates without time in a field of times: "start" of that day, or "reject".
    Raises ValueError for an order, language or zone that is none.
    """

    orders: Mapping[str, str] = field(default_factory=dict)
    order: str | None = None
    languages: tuple[str, ...] = ()
    zones: Mapping[str, str] = field(default_factory=dict)
    serials: Literal["1900", "1904"] | None = None
    bare: Literal["start", "reject"] | None = None

    def __post_init__(self) -> None:
        for what, given, known in (
            ("date order", {self.order, *self.orders.values()} - {None}, set(ORDER_NAMES)),
            ("language", set(self.languages), set(LANGUAGES)),
            ("zone", set(self.zones.values()), set(filter(is_zone, self.zones.values()))),
        ):
            if given - known:
                raise ValueError(f"unknown {what}: {', '.join(sorted(map(str, given - known)))}")

    def order_of(self, shape: str) -> str | None:
        """The confirmed order of a shape, if any."""
        return self.orders.get(shape, self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateDecision:
    """How the dates of one column are read. Plain data; conversion obeys it and nothing else.

    orders: shape -> "dmy", "mdy", "ymd", "named" or "serial".
    timezone: zone of times that name none; None rejects them. today: decides two-digit years.
    parse_share: share of the values present that look like dates at all, the impossible ones
        included: low where the column holds something else.
    start_of_day: a date without time in a field of times is the beginning of that day.
    """

    kind: DateKind
    orders: Mapping[str, str]
    timezone: str | None
    century: Century
    today: date
    languages: tuple[str, ...] = ()
    zones: Mapping[str, str] = field(default_factory=dict)
    serials: Literal["1900", "1904"] | None = None
    sentences: tuple[str, ...] = ()
    parse_share: float = 1.0
    start_of_day: bool = False

    @property
    def needs_time(self) -> bool:
        """True when a date without time of day is refused."""
        return self.kind == "datetime" and not self.start_of_day

    def to_dict(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`."""
        return {**as_dict(self), "today": self.today.isoformat()}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> DateDecision:
        """Inverse of `to_dict`."""
        return cls(
            **{
                **document,
                "today": date.fromisoformat(document["today"]),
                "languages": tuple(document["languages"]),
                "sentences": tuple(document["sentences"]),
            }
        )

"""How exports write a value: one fact, many spellings. The spelling never changes the fact.

Numbers and dates are only written in a way that the rest of the column proves: a day-first date
with a day below 13 appears after one above 12 has shown the order, a grouped thousand after a
fraction has shown the decimal sign.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from examples.drafts import Cell, Style

ZONES = ("local",) * 8 + ("offset", "utc")
"""How times are told, and how often."""
HOME = ZoneInfo("America/New_York")
MISSING = ("", "", "", "N/A", "n/a", "NULL", "null", "-", "--")
_SPACES = (" ", "  ", "\u00a0", " \u00a0", "\u200b")
_WESTERN = str.maketrans(
    {"\u200b": " ", "\u03bc": "\u00b5", "℃": "°C", "≤": "<=", "≥": ">=", "⁹": "^9", "³": "^3"}
)
_LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_MONTHS = tuple(month[:3] for month in _LONG_MONTHS)

Item = TypeVar("Item")


class Pen:
    """Chooses spellings. `calm` makes it write plainly for a while."""

    def __init__(self, chance: random.Random, style: Style) -> None:
        self.chance = chance
        self.style = style
        self.calm = not style.messy

    def some(self, share: float) -> bool:
        """True in that share of cases, never when calm."""
        return self.chance.random() < share and not self.calm

    def one_of(self, spellings: Sequence[Item]) -> Item:
        """Any of them; the first, which is the plain one, when calm."""
        chosen = self.chance.choice(spellings)
        return spellings[0] if self.calm else chosen

    def missing(self) -> Cell:
        """One of the ways to write nothing."""
        return self.one_of(MISSING), ""

    def padded(self, text: str) -> str:
        """Now and then with space before or behind."""
        before, behind = self.chance.choice(_SPACES), self.chance.choice(_SPACES)
        if self.some(0.03):
            text = before + text
        return self.fit(text + behind if self.some(0.04) else text)

    def fit(self, text: str) -> str:
        """The text in characters the file can hold."""
        if not self.style.is_western:
            return text
        return unicodedata.normalize("NFC", text.translate(_WESTERN))

    def text(self, text: str) -> Cell:
        """Words as they are, but for space and the form of their accents."""
        decomposed = unicodedata.normalize("NFD", text) if self.some(0.5) else text
        return self.padded(decomposed), text

    def code(self, spellings: Sequence[str], value: str) -> Cell:
        """One of a code's names, in any case."""
        spelling = self.one_of(spellings)
        if self.some(0.1):
            spelling = self.chance.choice((spelling.upper(), spelling.lower(), f"{spelling}."))
        return self.padded(spelling), value


class Numbers:
    """Writes one column of numbers."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen
        self._proven = False

    def write(self, text: str) -> str:
        """A canonical number ("1250.5") as this file writes numbers."""
        pen = self._pen
        whole, _, fraction = text.partition(".")
        group = "," if pen.style.decimal == "." else "."
        if len(whole) > 3 and self._proven and pen.some(0.5):
            whole = f"{int(whole):,}".replace(",", group)
        if fraction and len(fraction) < 3 and not pen.calm:
            self._proven = True
        return f"{whole}{pen.style.decimal}{fraction}" if fraction else whole


class Dates:
    """Writes one column of dates: dashes and dots day first, slashes month first."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen
        self._proven: set[str] = set()

    def write(self, day: date) -> str:
        """A date without time of day."""
        chance = self._pen.chance
        shape = chance.choice(("dash", "dash", "slash", "slash", "iso", "iso", "dot", *"nlcy"))
        bare = chance.random() < 0.3
        if self._pen.calm or not self._may(shape, day):
            return day.isoformat()
        match shape:
            case "n":
                return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}"
            case "l":
                return f"{_LONG_MONTHS[day.month - 1]} {day.day}, {day.year}"
            case "c":
                return f"{day:%Y%m%d}"
            case "y":
                short = 1940 <= day.year <= 2020
                return f"{day.day}-{_MONTHS[day.month - 1]}-{day:%y}" if short else str(day)
        return _numeric(shape, day, bare)

    def write_moment(self, local: datetime, zone: str) -> Cell:
        """A time in New York; `zone` says how it is told: "local", "offset" or "utc".

        Times are whole minutes: not every spelling has seconds.
        """
        there = local.replace(tzinfo=HOME)
        if zone == "utc" and not self._pen.calm:
            there = there.astimezone(UTC)
        if self._pen.calm:
            return local.isoformat(" "), there.isoformat()
        written = self._zoned(there) if zone != "local" else self._local(local)
        return self._pen.padded(written), there.isoformat()

    def _zoned(self, there: datetime) -> str:
        return f"{there:%Y-%m-%dT%H:%M:%S}Z" if there.tzinfo is UTC else there.isoformat()

    def _local(self, local: datetime) -> str:
        shape = self._pen.chance.choice(("iso", "iso", "slash", "slash", "n", "n", "dot", *"tchl"))
        if not self._may(shape, local):
            shape = "iso"
        half = f"{(local.hour + 11) % 12 + 1:02d}:{local:%M} {'AM' if local.hour < 12 else 'PM'}"
        match shape:
            case "slash":
                return f"{_numeric(shape, local, bare=False)} {half}"
            case "n":
                return f"{local.day:02d}-{_MONTHS[local.month - 1]}-{local.year} {local:%H:%M}"
            case "dot":
                return f"{_numeric(shape, local, bare=False)} {local:%H:%M}"
            case "t":
                return f"{local:%Y-%m-%dT%H:%M:%S}"
            case "c":
                return f"{local:%Y%m%d%H%M%S}"
            case "h":
                return f"{local:%Y/%m/%d %H:%M}"
            case "l":
                return f"{_LONG_MONTHS[local.month - 1]} {local.day}, {local.year} {half}"
        return f"{local:%Y-%m-%d %H:%M:%S}"

    def _may(self, shape: str, day: date) -> bool:
        """Whether the shape's order is proven, by this very date if need be."""
        if shape in ("dash", "slash", "dot") and day.day > 12:
            self._proven.add(shape)
        return shape not in ("dash", "slash", "dot") or shape in self._proven


def _numeric(shape: str, day: date, bare: bool) -> str:
    first, second = (day.month, day.day) if shape == "slash" else (day.day, day.month)
    sign = {"dash": "-", "slash": "/", "dot": "."}.get(shape)
    if sign is None:
        return f"{day:%Y-%m-%d}"
    if bare:
        return f"{first}{sign}{second}{sign}{day.year}"
    return f"{first:02d}{sign}{second:02d}{sign}{day.year}"


def safe_minute(moment: datetime) -> datetime:
    """The minute, or three hours later where clocks were changed and it was none or two."""
    moment = moment.replace(second=0, microsecond=0)
    early, late = (moment.replace(tzinfo=HOME, fold=fold).utcoffset() for fold in (0, 1))
    return moment if early == late else moment + timedelta(hours=3)


MOST_PATIENTS = 10_000_000
_SPREAD = 7_368_787  # no factor in common with that, so its multiples do not repeat


def identifier(index: int) -> str:
    """The hospital's number of patient `index`, in one of the forms hospitals use. Never repeats.

    Zeros lead some, and some look like scientific notation: both are text.
    """
    number = (index * _SPREAD + 1_234_567) % MOST_PATIENTS
    match index % 4:
        case 0:
            return f"PT-{number // 100:05d}-{number % 100:02d}"
        case 1:
            return f"P{number:07d}"
        case 2:
            return f"{number:07d}"
        case _ if index % 8 == 3:
            return f"{number % 10}e{number // 10:06d}"
    return f"{'abcdf'[number % 5]}{number:07x}"

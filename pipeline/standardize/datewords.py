"""Dates written with words are rewritten with English three-letter months; nothing is decided.

"Friday, March 5th, 2025 at 10:15 a.m. EST" becomes "5-Mar-2025 10:15 AM", with the weekday and the
zone beside it. A text that is not a date in this sense is left alone. Words of a language other
than English are recognised, and reported, so that a person can confirm the language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ENGLISH: frozenset[str] = frozenset()
"""The languages of a text that needs no language but English: none to confirm."""
_LONGEST_DATE = 80

# One row a language: twelve months, spellings of a month separated by a slash. Names and usual
# abbreviations as in Unicode CLDR; "en" first, because an English word needs no confirmation.
_MONTH_WORDS = {
    "en": "january/jan february/feb march/mar april/apr may june/jun july/jul august/aug "
    "september/sep/sept october/oct november/nov december/dec",
    "de": "januar/jänner/jan februar/feber/feb märz/mär/mrz/maerz april/apr mai juni/jun juli/jul "
    "august/aug september/sep/sept oktober/okt november/nov dezember/dez",
    "fr": "janvier/janv/jan février/févr/fév/fevrier mars/mar avril/avr mai juin/jun juillet/juil "
    "août/aout/aoû septembre/sept/sep octobre/oct novembre/nov décembre/déc/decembre",
    "es": "enero/ene febrero/feb marzo/mar abril/abr mayo/may junio/jun julio/jul agosto/ago "
    "septiembre/setiembre/sept/sep octubre/oct noviembre/nov diciembre/dic",
    "it": "gennaio/gen febbraio/feb marzo/mar aprile/apr maggio/mag giugno/giu luglio/lug "
    "agosto/ago settembre/set/sett ottobre/ott novembre/nov dicembre/dic",
    "pt": "janeiro/jan fevereiro/fev março/mar/marco abril/abr maio/mai junho/jun julho/jul "
    "agosto/ago setembro/set outubro/out novembro/nov dezembro/dez",
    "nl": "januari/jan februari/feb maart/mrt/maa april/apr mei juni/jun juli/jul augustus/aug "
    "september/sep/sept oktober/okt november/nov december/dec",
    "sv": "januari/jan februari/feb mars/mar april/apr maj juni/jun juli/jul augusti/aug "
    "september/sep/sept oktober/okt november/nov december/dec",
    "da": "januar/jan februar/feb marts/mar april/apr maj juni/jun juli/jul august/aug "
    "september/sep/sept oktober/okt november/nov december/dec",
}
_WEEKDAY_WORDS = {
    "en": "monday/mon tuesday/tue/tues wednesday/wed thursday/thu/thur/thurs friday/fri "
    "saturday/sat sunday/sun",
    "de": "montag/mo dienstag/di mittwoch/mi donnerstag/do freitag/fr samstag/sa/sonnabend "
    "sonntag/so",
    "fr": "lundi/lun mardi/mar mercredi/mer jeudi/jeu vendredi/ven samedi/sam dimanche/dim",
    "es": "lunes/lun martes/mar miércoles/mié jueves/jue viernes/vie sábado/sáb domingo/dom",
    "it": "lunedì/lun martedì/mar mercoledì/mer giovedì/gio venerdì/ven sabato/sab domenica/dom",
    "nl": "maandag/ma dinsdag/di woensdag/wo donderdag/do vrijdag/vr zaterdag/za zondag/zo",
}


def _index(table: dict[str, str]) -> dict[str, tuple[int, frozenset[str]]]:
    """Map each word to (position, languages to confirm). An English word needs none."""
    found: dict[str, tuple[int, frozenset[str]]] = {}
    for language, row in table.items():
        for position, words in enumerate(row.split()):
            for word in words.split("/"):
                known_position, languages = found.get(word, (position, frozenset()))
                if known_position != position:
                    raise ValueError(f"{word!r} means two things, one of them in {language!r}")
                if word in found and not languages:
                    continue
                found[word] = (position, ENGLISH if language == "en" else languages | {language})
    return found


_MONTH_OF = _index(_MONTH_WORDS)
_WEEKDAY_OF = _index(_WEEKDAY_WORDS)
LANGUAGES = tuple(_MONTH_WORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A date in plain spelling, and what its words said beside it.

    text: ASCII, months as in `MONTHS`. weekday: 0 for Monday, None when not named.
    zone: abbreviation of a time zone ("EST"), None when not named or UTC.
    languages: the text can be read with any one of them; empty for English.
    """

    text: str
    weekday: int | None = None
    zone: str | None = None
    languages: frozenset[str] = ENGLISH


_WORD = r"[^\W\d_]"
_GAP = r"(?:\s*[-/.]\s*|\s+|)"
_MONTH = rf"(?P<month>{_WORD}{{3,}})\.?"
_NUMBER_END = r"(?:st|nd|rd|th|er|[.º])?"
_WEEKDAY = rf"(?:(?P<weekday>{_WORD}{{2,}})(?:\.,|[.,])?\s+)?"
_DAY = r"(?P<day>[0-9]{1,2})"
_YEAR = r"(?P<year>[0-9]{4})"
_ANY_YEAR = r"(?P<year>[0-9]{4}|[0-9]{2})"
_DATES = (
    r"(?P<numeric>[0-9]{1,4}(?P<gap>[-/.])[0-9]{1,2}(?P=gap)[0-9]{1,4})",
    rf"{_DAY}{_NUMBER_END}{_GAP}(?:(?:of|de|den)\s+)?{_MONTH},?{_GAP}(?:(?:de|del)\s+)?{_ANY_YEAR}",
    rf"{_MONTH}{_GAP}{_DAY}{_NUMBER_END}(?:,\s*|\s+|[-/.])(?:(?:de|del)\s+)?{_YEAR}",
    rf"{_YEAR}{_GAP}{_MONTH}{_GAP}{_DAY}",
    rf"{_MONTH}(?:,\s*|{_GAP})(?:(?:of|de|del)\s+)?{_ANY_YEAR}",
    rf"{_YEAR}{_GAP}{_MONTH}",
)
_TIME = (
    r"(?:(?:\s*,\s*|\s+at\s+|\s+um\s+|\s*T\s*|\s+|:)"
    r"(?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?)"
    r"\s*(?:(?P<half>[ap])\.?\s?m\.?)?"
    r"\s*(?:(?:GMT|UTC)?(?P<offset>Z|[+-][0-9]{2}(?::?[0-9]{2})?))?"
    r"(?:\s*Uhr)?\s*(?P<zone>[A-Z]{2,5})?(?:\s*\([^()]*\))?)?"
)
_WORDS = re.compile(rf"{_WORD}+")
_SPELLINGS = tuple(re.compile(_WEEKDAY + dated + _TIME, re.IGNORECASE) for dated in _DATES)


@lru_cache(maxsize=65_536)
def rewrite(text: str) -> Rewritten | None:
    """Return the plain spelling of a date written with words, or None when it is no such date."""
    if len(text) > _LONGEST_DATE or not _may_be_date(text):
        return None
    for spelling in _SPELLINGS:
        found = spelling.fullmatch(text)
        rewritten = None if found is None else _plain(found.groupdict())
        if rewritten is not None:
            return rewritten
    return None


def _may_be_date(text: str) -> bool:
    """Sort out most of what is no date: it has no clock, and no word for a month or a day."""
    if ":" in text:
        return True
    words = (word.casefold() for word in _WORDS.findall(text))
    return any(word in _MONTH_OF or word in _WEEKDAY_OF for word in words)


def _plain(parts: dict[str, str | None]) -> Rewritten | None:
    languages: list[frozenset[str]] = []
    dated = parts.get("numeric") or _named(parts, languages)
    weekday = None
    if (named_day := parts["weekday"]) is not None:
        weekday, spoken = _WEEKDAY_OF.get(named_day.casefold(), (-1, ENGLISH))
        languages.append(spoken)
    if dated is None or weekday == -1:
        return None
    needed = [spoken for spoken in languages if spoken]
    common = frozenset.intersection(*needed) if needed else ENGLISH
    if needed and not common:
        return None  # two languages in one date
    return _with_time(Rewritten(text=dated, weekday=weekday, languages=common), parts)


def _named(parts: dict[str, str | None], languages: list[frozenset[str]]) -> str | None:
    """Spell the date as 5-Mar-2025, or Mar-2025 where no day is named."""
    month, spoken = _MONTH_OF.get((parts["month"] or "").casefold(), (-1, ENGLISH))
    if month == -1:
        return None
    languages.append(spoken)
    day = parts.get("day")
    return f"{day}-{MONTHS[month]}-{parts['year']}" if day else f"{MONTHS[month]}-{parts['year']}"


def _with_time(dated: Rewritten, parts: dict[str, str | None]) -> Rewritten | None:
    clock, zone, offset = parts["clock"], parts["zone"], parts["offset"]
    if clock is None:
        return dated
    if zone is not None and not zone.isupper():
        return None  # a remark, not the abbreviation of a zone
    half = f" {parts['half']}M".upper() if parts["half"] else ""
    if zone is not None and zone.upper() in {"UTC", "GMT"} and offset is None:
        zone, offset = None, "Z"
    return replace(
        dated,
        text=f"{dated.text} {clock}{half}{(offset or '').upper()}",
        zone=None if offset else zone,
    )

"""One decision for each shape of a column, by evidence; without proof, a question.

The order of day and month belongs to a shape, not to a column and never to a value: one source
writes one shape one way, and a column may come from several sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pipeline.errors import FileCode
from pipeline.standardize.base import Question
from pipeline.standardize.civil import Century
from pipeline.standardize.datedecision import ORDER_NAMES, DateDecision, DateHint, DateKind
from pipeline.standardize.dateevidence import DateEvidence, ShapeCount
from pipeline.standardize.datelayout import Family
from pipeline.standardize.timezones import names_its_times

# Of real dates about six in ten prove their order. When more dates than a year has of both-way
# days (12 x 12) read both ways and under one in a hundred as many values prove one order, those
# few are more likely slips in a column of first-of-month dates than proof.
_DATES_READ_BOTH_WAYS = 12 * 12
_FEW_PROOFS = 100
_CONSISTENT_SHARE = 0.95
_FEW_ZONES = 0.05
_US_ZONES = {
    "EST": "-05:00", "EDT": "-04:00", "CST": "-06:00", "CDT": "-05:00",
    "MST": "-07:00", "MDT": "-06:00", "PST": "-08:00", "PDT": "-07:00",
}  # fmt: skip
_MEANINGS = {
    "dmy": "day, month, year",
    "mdy": "month, day, year",
    "ymd": "year, month, day",
    "1900": "day numbers of a spreadsheet, counted from 1900 (Excel)",
    "1904": "day numbers of a spreadsheet, counted from 1904 (old Excel for Mac)",
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """About one shape: how it is read (None: not at all), why, and whether that is a question."""

    order: str | None
    sentence: str
    is_open: bool = False
    date_like: int = 0
    kind: str = "date"
    answers: tuple[str, ...] = ("dmy", "mdy")


def decide_dates(
    evidence: DateEvidence,
    *,
    column: str,
    kind: DateKind,
    timezone: str | None,
    century: Century,
    today: date,
    hint: DateHint | None = None,
) -> DateDecision | list[Question]:
    """Decide how a column is read, or return what its values leave open (DATE_AMBIGUOUS)."""
    hint = hint or DateHint()
    misfits = _numbers_that_are_no_days(evidence)
    is_bare = kind == "datetime" and hint.bare != "reject" and _lacks_times(evidence)
    looked_for: DateKind = "date" if is_bare or hint.bare == "start" else kind
    verdicts = {
        name: _judge(evidence.shapes[name], looked_for, hint, misfits)
        for name in sorted(evidence.shapes)
    }
    questions = [
        _question(column, name, verdict) for name, verdict in verdicts.items() if verdict.is_open
    ]
    questions += _open_languages(evidence, hint, column)
    if kind == "datetime":
        questions += _open_zones(evidence, hint, column, timezone)
    if is_bare and hint.bare is None:
        questions.append(_ask_time(evidence, column))
    if questions:
        return questions
    orders = {name: v.order for name, v in verdicts.items() if v.order is not None}
    date_like = sum(verdict.date_like for verdict in verdicts.values())
    sentences = [verdict.sentence for verdict in verdicts.values() if verdict.sentence]
    return DateDecision(
        kind=kind,
        orders=orders,
        timezone=timezone,
        century=century,
        today=today,
        languages=hint.languages,
        zones=dict(hint.zones),
        serials=(hint.serials or "1900") if "serial" in orders.values() else None,
        sentences=(*sentences, *_further(evidence, kind, timezone, century, hint)),
        parse_share=date_like / evidence.values if evidence.values else 1.0,
        start_of_day=kind == "datetime" and hint.bare == "start",
    )


def _lacks_times(evidence: DateEvidence) -> bool:
    """True when most of a column's values are whole dates without time of day."""
    return 2 * _untimed(evidence) >= max(1, evidence.values)


def _untimed(evidence: DateEvidence) -> int:
    return sum(
        found.counts["values"] - found.counts["other"] - found.counts["year-like"]
        for found in evidence.shapes.values()
        if not found.shape.timed and found.shape.family is not Family.PARTIAL
    )


def _ask_time(evidence: DateEvidence, column: str) -> Question:
    return Question(
        code=FileCode.VALUES_UNREADABLE,
        column=column,
        sentence=f"{_so_many(_untimed(evidence), 'is a date', 'are dates')} without time of day, "
        "and the field takes times.",
        key=f"time:{column}",
        answers={
            "start-of-day": "each is the beginning of that day, 00:00 where it was noted",
            "reject": "such rows are rejected: without its time the date is of no use",
        },
        proposed="start-of-day",
    )


def _question(column: str, shape: str, verdict: _Verdict) -> Question:
    return Question(
        code=FileCode.DATE_AMBIGUOUS,
        column=column,
        sentence=verdict.sentence,
        key=f"serial:{column}" if verdict.kind == "serial" else f"date:{column}:{shape}",
        answers={answer: _MEANINGS[answer] for answer in verdict.answers},
    )


def _judge(found: ShapeCount, kind: DateKind, hint: DateHint, misfits: int) -> _Verdict:
    counts, name = found.counts, found.shape.name
    values = counts["values"]
    match found.shape.family:
        case Family.NUMBER:
            return _judge_numbers(found, kind, hint, misfits)
        case Family.COMPACT:
            return _judge_compact(found, kind, hint)
        case Family.PARTIAL:
            sentence = f"{_so_many(values, 'names', 'name')} no day: no whole date"
            return _Verdict(None, sentence, date_like=values - counts["other"])
        case Family.NAMED:
            sentence = f"dates written {name} name their month ({_so_many(values)})"
            return _Verdict("named", sentence, date_like=values)
        case Family.YEAR_FIRST:
            sentence = f"dates written {name} are year-month-day ({_so_many(values)})"
            return _Verdict("ymd", sentence, date_like=values)
    return _judge_ordered(found, kind, hint)


def _judge_ordered(found: ShapeCount, kind: DateKind, hint: DateHint) -> _Verdict:
    """Find the order of a shape with two numbers and a year at its end."""
    counts, name = found.counts, found.shape.name
    values = counts["values"]
    if _is_refused_anyway(found, kind):
        return _Verdict(None, "", date_like=values)
    confirmed = hint.order_of(name)
    if confirmed is not None:
        return _judge_confirmed(found, confirmed)
    if found.shape.year_digits == 2 and (verdict := _judge_year_first(found)) is not None:
        return verdict
    day, month = counts["day-first"], counts["month-first"]
    if day and month:
        return _open(
            f"dates written {name} contradict each other: {day} of {values} values can only be "
            f"day-month-year and {month} only month-day-year"
        )
    if day or month:
        return _judge_proven(found)
    if counts["either"]:
        return _open(
            f"dates written {name} may be day-month-year or month-day-year: in none of "
            f"{_so_many(values)} is a part above 12"
        )
    reason = "in every one day and month are equal" if counts["same"] else "none is in the calendar"
    sentence = f"the order of dates written {name} makes no difference: {reason} ({values})"
    return _Verdict("dmy", sentence, date_like=values)


def _is_refused_anyway(found: ShapeCount, kind: DateKind) -> bool:
    """Say whether no value of a shape can become one of `kind`, so that nobody need be asked."""
    if kind == "datetime":
        return not found.shape.timed
    return found.shape.timed and not found.counts["midnight"]


def _judge_proven(found: ShapeCount) -> _Verdict:
    """All proof points one way; say how much there is, and ask when it is too little."""
    counts, name = found.counts, found.shape.name
    values, day, month = counts["values"], counts["day-first"], counts["month-first"]
    order, proofs = ("dmy", day) if day else ("mdy", month)
    part, other = ("first", "second") if day else ("second", "first")
    different = found.as_dict().get("different", 0)
    if different > _DATES_READ_BOTH_WAYS and different > _FEW_PROOFS * proofs:
        return _open(
            f"dates written {name} are hardly proven to be {ORDER_NAMES[order]}: only {proofs} of "
            f"{values} values have a {part} part above 12, and {different} different dates read "
            "both ways"
        )
    sentence = (
        f"dates written {name} are {ORDER_NAMES[order]}: {proofs} of "
        f"{_so_many(values, 'has', 'have')} a {part} part above 12, none a {other} part above 12"
    )
    return _Verdict(order, sentence, date_like=values)


def _judge_year_first(found: ShapeCount) -> _Verdict | None:
    """Look whether a two-digit year may stand first; None when it does not.

    Only when every value fits: then either most values fit nothing else, or, when the last part
    varies more than the first as days do and years do not, it is a question.
    """
    counts, name = found.counts, found.shape.name
    values, only = counts["values"], counts["year-first"]
    possible = values - counts["impossible"]
    if not possible or counts["fits-year-first"] < possible:
        return None
    if 2 * only >= possible:
        sentence = (
            f"dates written {name} are year-month-day: {only} of {_so_many(values)} can be "
            "nothing else, and all can be that"
        )
        return _Verdict("ymd", sentence, date_like=values)
    firsts, lasts = found.spreads()
    if only or lasts > firsts:
        return _open(
            f"dates written {name} may have the year first or last: all {values} values can be "
            "year-month-day",
            answers=("ymd", "dmy", "mdy"),
        )
    return None


def _judge_confirmed(found: ShapeCount, order: str) -> _Verdict:
    counts, name = found.counts, found.shape.name
    against = {"dmy": counts["month-first"], "mdy": counts["day-first"], "ymd": 0}[order]
    in_favour = {"dmy": counts["day-first"], "mdy": counts["month-first"], "ymd": 0}[order]
    if order == "ymd":
        against = counts["values"] - counts["impossible"] - counts["fits-year-first"]
        in_favour = counts["year-first"]
    if against > in_favour:
        return _open(
            f"dates written {name} were confirmed as {ORDER_NAMES[order]}, but {against} of "
            f"{counts['values']} values can only be read otherwise"
        )
    sentence = (
        f"dates written {name} are {ORDER_NAMES[order]}, as confirmed: {in_favour} of "
        f"{_so_many(counts['values'])} can be nothing else, {against} cannot be that"
    )
    return _Verdict(order, sentence, date_like=counts["values"])


def _judge_compact(found: ShapeCount, kind: DateKind, hint: DateHint) -> _Verdict:
    """Digits without separators are dates only when nearly all of them can be."""
    values, other = found.counts["values"], found.counts["other"]
    name = found.shape.name
    if _is_refused_anyway(found, kind):
        return _Verdict(None, "", date_like=values - other)
    if values == other:
        return _Verdict(None, f"{_so_many(values)} written {name} can be no year-month-day")
    if values - other < _CONSISTENT_SHARE * values and hint.order_of(name) != "ymd":
        return _open(
            f"digits written {name} are not all dates: {other} of {_so_many(values)} can be no "
            "year-month-day",
            answers=("ymd",),
        )
    sentence = f"digits written {name} are year-month-day: {values - other} of {values} can be that"
    return _Verdict("ymd", sentence, date_like=values)


def _numbers_that_are_no_days(evidence: DateEvidence) -> int:
    """How many plain numbers of the column can be no day number of a spreadsheet."""
    return sum(
        found.counts["year-like"]
        + found.counts["other"]
        + found.counts["small"] * found.shape.timed
        for found in evidence.shapes.values()
        if found.shape.family is Family.NUMBER
    )


def _judge_numbers(found: ShapeCount, kind: DateKind, hint: DateHint, misfits: int) -> _Verdict:
    """Plain numbers are a spreadsheet's day numbers only when all of the column can be."""
    counts, values = found.counts, found.counts["values"]
    is_bare = kind == "datetime" and not found.shape.timed
    if hint.serials is None and (is_bare or not counts["serial"]):
        sentence = (
            f"{_so_many(values, 'is a plain number', 'are plain numbers')}, not whole dates"
            f" ({counts['year-like']} may be a year)"
        )
        return _Verdict(
            None, sentence, date_like=counts["year-like"] + (counts["serial"] if is_bare else 0)
        )
    if misfits and hint.serials is None:
        return _open(
            f"{counts['serial']} of {_so_many(values)} written as plain numbers can be day numbers "
            f"of a spreadsheet, but {misfits} of the column's plain numbers cannot",
            kind="serial",
            answers=("1900", "1904"),
        )
    sentence = (
        f"plain numbers are day numbers of a spreadsheet, counted from {hint.serials or '1900'}: "
        f"{counts['serial']} of {_so_many(values)} between 10000 and 80000, {misfits} can be none"
    )
    return _Verdict("serial", sentence, date_like=values - counts["other"])


def _open_languages(evidence: DateEvidence, hint: DateHint, column: str) -> list[Question]:
    unknown = {
        needed: count
        for needed, count in evidence.languages.items()
        if needed and count and not needed & set(hint.languages)
    }
    common = frozenset.intersection(*unknown) if unknown else frozenset()
    if common:  # one language explains all names: ask for it once
        unknown = {common: sum(unknown.values())}
    return [
        Question(
            code=FileCode.DATE_AMBIGUOUS,
            column=column,
            sentence=f"{_so_many(count, 'names its', 'name their')} month in a language that "
            f"nobody confirmed: {' or '.join(sorted(needed))}",
            key=f"language:{column}:{'/'.join(sorted(needed))}",
            answers={
                language: f"the source's language is {language}" for language in sorted(needed)
            },
            proposed=next(iter(needed)) if len(needed) == 1 else None,
        )
        for needed, count in sorted(unknown.items(), key=lambda item: sorted(item[0]))
    ]


def _open_zones(
    evidence: DateEvidence, hint: DateHint, column: str, timezone: str | None
) -> list[Question]:
    """Ask what zones are meant; a single or a few such times are refused one by one instead."""
    few = max(1.0, _FEW_ZONES * evidence.values)
    questions = [
        Question(
            code=FileCode.TIMEZONE_UNKNOWN,
            column=column,
            sentence=f"{_so_many(count, 'names', 'name')} the zone {name}, which nobody confirmed",
            key=f"zone:{column}:{name}",
            answers=_meanings_of_zone(name, timezone),
            free="another offset such as -05:00, or a zone such as America/New_York",
        )
        for name, count in sorted(evidence.zones.items())
        if _is_asked(count, few, evidence)
        and name not in hint.zones
        and not names_its_times(timezone, name)
    ]
    local = sum(found.counts["no-offset"] for found in evidence.shapes.values())
    if timezone is None and _is_asked(local, few, evidence):
        questions.append(
            Question(
                code=FileCode.TIMEZONE_UNKNOWN,
                column=column,
                sentence=f"{_so_many(local, 'names', 'name')} no zone, and the contract gives none",
                key=f"timezone:{column}",
                answers={"UTC": "the times are universal time"},
                free="the zone of the place they were noted in, such as America/New_York",
            )
        )
    return questions


def _is_asked(count: int, few: float, evidence: DateEvidence) -> bool:
    """More than a few, or most of what there is: then the source is meant, not a row."""
    return count > few or 2 * count > evidence.values


def _meanings_of_zone(name: str, timezone: str | None) -> dict[str, str]:
    answers = {} if timezone is None else {timezone: "the zone of the contract"}
    offset = _US_ZONES.get(name)
    return answers if offset is None else {offset: "as in North America", **answers}


def _further(
    evidence: DateEvidence,
    kind: DateKind,
    timezone: str | None,
    century: Century,
    hint: DateHint,
) -> list[str]:
    """Say what else conversion will do: centuries, zones, times and dates that do not belong."""
    shapes = evidence.shapes.values()
    sentences = []
    if any(found.shape.year_digits == 2 for found in shapes if found.shape.family != "partial"):
        meaning = {
            "past": "are never after today",
            "future": "run from ten years before today to ninety ahead",
            "nearest": "lie within fifty years of today",
        }[century]
        sentences.append(f"two-digit years {meaning}")
    no_offset = sum(found.counts["no-offset"] for found in shapes if found.shape.timed)
    untimed = sum(f.counts["values"] for f in shapes if not f.shape.timed)
    timed = sum(f.counts["values"] - f.counts["midnight"] for f in shapes if f.shape.timed)
    if kind == "datetime" and no_offset:
        told = f"are local times of {timezone}" if timezone else "are refused: no zone is known"
        sentences.append(f"times without an offset {told} ({_so_many(no_offset)})")
    if kind == "datetime" and untimed:
        fate = (
            "are the beginning of their day, as confirmed"
            if hint.bare == "start"
            else "are refused: none is invented"
        )
        sentences.append(f"{_so_many(untimed)} without time of day {fate}")
    if kind == "date" and timed:
        sentences.append(f"{_so_many(timed, 'has', 'have')} a time of day, which is not dropped")
    if evidence.unreadable:
        sentences.append(f"{_so_many(evidence.unreadable, 'is', 'are')} not written as a date")
    return sentences


def _open(
    sentence: str, *, kind: str = "date", answers: tuple[str, ...] = ("dmy", "mdy")
) -> _Verdict:
    return _Verdict(None, sentence, is_open=True, kind=kind, answers=answers)


def _so_many(count: int, verb: str = "", verbs: str = "") -> str:
    noun, form = ("value", verb) if count == 1 else ("values", verbs)
    return f"{count} {noun} {form}".rstrip()

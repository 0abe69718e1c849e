"""The mapping that is put before people: what is known, what is proposed, what is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from pydantic.alias_generators import to_camel

from pipeline.decision import Decision
from pipeline.formats.base import ReadAs
from pipeline.mapping.dateformats import format_of_shape
from pipeline.mapping.model import (
    Asked,
    Confirmed,
    DialectWords,
    Footer,
    MappedField,
    Mapping,
    Match,
    Seen,
)
from pipeline.plan import ColumnPlan
from pipeline.reshape.reshaped import source_header
from pipeline.standardize.base import Question

_SLUG = re.compile(r"[^\w]+")
_DIGITS = re.compile(r"[\d_-]*\d[\d_-]*")


def proposed_mapping(decision: Decision, questions: tuple[Asked, ...], source_path: str) -> Mapping:
    """The proposal: every column of the file with its fate and the reason for it."""
    old = decision.old
    header = source_header(decision.raw)
    labels = list(header)
    fields = tuple(
        _field(at, label, labels, decision)
        for at, label in enumerate(header)
        if at not in decision.consumed
    )
    accepted = () if old is None else old.match.fingerprint
    return Mapping(
        contract=decision.contract.name,
        source=old.source if old is not None else source_name(source_path, decision.contract.name),
        status="proposed",
        confirmed=Confirmed(),
        match=Match(
            path=None if old is None else old.match.path,
            labels=decision.plan.labels,
            fingerprint=tuple(dict.fromkeys([*accepted, str(decision.plan.layout)])),
        ),
        encoding=None if old is None else old.encoding,
        dialect=_dialect(decision),
        footer=_footer(decision, questions),
        fields=fields,
        constants={} if old is None else dict(old.constants),
        questions=questions,
    )


def source_name(source_path: str, contract: str) -> str:
    """A short name of who sends a file: its folder and its name, without dates and numbers."""
    path = PurePosixPath(source_path)
    stem = _DIGITS.sub("-", path.stem)
    words = [*(part for part in path.parts[:-1] if part not in ("/", "..", ".")), stem]
    slug = "-".join(filter(None, (_SLUG.sub("-", word.casefold()).strip("-_") for word in words)))
    return slug[:60].strip("-_") or contract.replace("_", "-")


def _dialect(decision: Decision) -> DialectWords:
    """How the text was read, where that cannot be found out again from any file."""
    told: ReadAs = decision.read_as
    old = decision.old.dialect if decision.old is not None else DialectWords()
    if not told.spans:  # the file was read without the old columns, so they are none of its own
        old = old.model_copy(update={"widths": (), "columns": (), "counted": "characters"})
    return old.model_copy(
        update={
            "delimiter": decision.plan.reading.get("delimiter"),
            "header": told.header,
            "header_rows": told.header_rows,
            "comment_rows": told.comment_rows,
            "unnamed": told.unnamed,
            "table": told.table,
        }
    )


def _footer(decision: Decision, questions: Iterable[Asked]) -> Footer:
    is_asked = any(one.key == "footer" for one in questions)
    if decision.footer.drop or not is_asked:
        return decision.footer
    return Footer()


def _field(at: int, label: str, labels: list[str], decision: Decision) -> MappedField:
    """One column: the words somebody gave it, and what the evidence adds."""
    place = at + 1 if labels.count(label) > 1 or not label.strip() else None
    feeding = [column for column in decision.plan.columns if column.position == at]
    known = None if decision.located is None else decision.located.fields.get(at)
    if not feeding:
        return _unused(at, label, place, known, decision)
    words: dict[str, Any] = {} if known is None else dict(known)
    words |= {
        "name": label,
        "position": place,
        "to": tuple(column.field for column in feeding),
        "rescue": None,
        "ignore": None,
    }
    for column in feeding:
        words |= _decided(column, decision, words)
    return MappedField(**{to_camel(word): value for word, value in words.items()})


def _unused(
    at: int, label: str, place: int | None, known: MappedField | None, decision: Decision
) -> MappedField:
    if known is not None and not known.to:
        return known
    fate = next((one.fate for one in decision.plan.unclaimed if one.position == at), "rescue")
    if fate == "ignore":
        return MappedField(name=label, position=place, ignore=True)
    return MappedField(name=label, position=place, rescue=True)


def _decided(column: ColumnPlan, decision: Decision, words: dict[str, Any]) -> dict[str, Any]:
    """What the values have decided about a column, in the mapping's words."""
    match = decision.columns.matched[column.field]
    seen = decision.study.seen[column.field]
    before: Seen = words.get("seen") or Seen()
    told: dict[str, Any] = {
        "type": decision.contract.field(column.field).type,
        "confidence": round(column.confidence, 3),
        "margin": round(column.margin, 3),
        "evidence": tuple(dict.fromkeys([*match.reasons, *column.sentences])),
        "seen": _joined(before, seen),
    }
    formats = _formats(column, tuple(words.get("format", ())), decision.plan.questions)
    if formats:
        told["format"] = formats
    if seen.decimal is not None and column.decision.get("decimal"):
        told["decimal_char"] = column.decision["decimal"]
    if match.words.unit and not words.get("unit"):
        told["unit"] = match.words.unit
    return told


def _formats(
    column: ColumnPlan, before: tuple[str, ...], questions: tuple[Question, ...]
) -> tuple[str, ...]:
    """The orders that are decided; of a column with open questions those its values prove."""
    orders = column.decision.get("orders") or _proven(column, {one.key for one in questions})
    found = [format_of_shape(shape, order) for shape, order in orders.items()]
    contradicted = {
        format_of_shape(shape, other)
        for shape, order in orders.items()
        for other in ("dmy", "mdy", "ymd")
        if other != order
    }
    kept = [one for one in before if one not in contradicted] if column.decision else []
    return tuple(dict.fromkeys([*kept, *(one for one in found if one is not None)]))


def _proven(column: ColumnPlan, asked: set[str]) -> dict[str, str]:
    found = {}
    for shape, counts in column.evidence.get("shapes", {}).items():
        day, month = counts.get("day-first", 0), counts.get("month-first", 0)
        is_asked = any(key.startswith("date:") and key.endswith(f":{shape}") for key in asked)
        if bool(day) != bool(month) and not is_asked:
            found[shape] = "dmy" if day else "mdy"
    return found


def _joined(before: Seen, now: Seen) -> Seen:
    """What was seen until now and today; where they contradict each other, today counts."""
    units = {code: tuple(several) for code, several in before.units.items()}
    for code, several in now.units.items():
        units[code] = tuple(sorted({*units.get(code, ()), *several}))
    dates = dict(before.dates)
    dates |= {shape: order for shape, order in now.dates.items() if order or shape not in dates}
    return Seen(type=now.type, dates=dates, decimal=now.decimal or before.decimal, units=units)

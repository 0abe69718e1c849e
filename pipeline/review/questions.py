"""Questions put to people: plain sentences, possible answers, and a few values as examples.

What a plan may not hold, its questions to people may: the spelling that is in no code, a date that
can be read two ways. They go into files made for people and nowhere else.
"""

from __future__ import annotations

import re
from calendar import month_name
from collections.abc import Iterable, Iterator, Sequence

from pipeline.columnset import label_of
from pipeline.contract.loading import Contract
from pipeline.decision import Decision
from pipeline.kinds import codeset_of, kind_of
from pipeline.mapping.model import Asked
from pipeline.plan import Plan
from pipeline.review.answers import MISSING, REJECT, apply_answers
from pipeline.standardize.base import Question
from pipeline.standardize.codes import nearest
from pipeline.standardize.unit_spellings import SPELLINGS

__all__ = ["apply_answers", "asked", "plain_questions", "questions_text"]

_MOST_SPELLINGS = 25
_MOST_ANSWERS = 15
_EXAMPLES = 3
_NUMBERS = re.compile(r"\d+")
_RULE = "-" * 72


def plain_questions(plan: Plan) -> tuple[str, ...]:
    """The plan's questions in sentences that hold no cell values."""
    return tuple(_plain(question) for question in plan.questions)


def _plain(question: Question) -> str:
    about, sentence = question.column, question.sentence
    is_named = about in ("the file", "") or sentence.startswith(f"`{about}`")
    return sentence if is_named else f"{about}: {sentence}"


def asked(decision: Decision) -> tuple[Asked, ...]:
    """Every open question with its possible answers, for people."""
    found: list[Asked] = []
    for question in decision.plan.questions:
        kind, _, _ = question.key.partition(":")
        if kind == "codes":
            found += _about_codes(question, decision)
        else:
            found.append(_one(question, decision))
    merged: dict[str, Asked] = {}
    for one in found:  # several sentences may be about one and the same thing
        first = merged.get(one.key)
        merged[one.key] = (
            one if first is None else first.model_copy(update={"ask": f"{first.ask} {one.ask}"})
        )
    return tuple(merged.values())


def _one(question: Question, decision: Decision) -> Asked:
    examples = _examples(question, decision)
    told = f" For example: {examples}." if examples else ""
    return Asked(
        key=question.key,
        code=question.code.value,
        ask=f"{_plain(question).rstrip('.')}.{told}",
        answers=_with_meaning(question, _values(question, decision)),
        free=question.free,
        proposed=question.proposed,
    )


def _examples(question: Question, decision: Decision) -> str:
    """A few values of the column a question is about."""
    return ", ".join(f"`{_short(value)}`" for value in _values(question, decision)[:_EXAMPLES])


def _values(question: Question, decision: Decision) -> tuple[str, ...]:
    position = _position(question, decision)
    if position is None or question.key.startswith("text:"):
        return ()
    return decision.study.evidence.examples.get(position, ())


def _with_meaning(question: Question, values: Sequence[str]) -> dict[str, str]:
    """The possible answers; those about the order of dates say what a date of the file becomes."""
    answers = dict(question.answers)
    if question.key.startswith("date:"):
        for value in values:
            read = {order: _date_in_words(value, order) for order in answers}
            if len(set(read.values())) == len(answers) and None not in read.values():
                told = {order: f"`{_short(value)}` is {read[order]}" for order in answers}
                return {order: f"{said}: {told[order]}" for order, said in answers.items()}
    return answers


def _date_in_words(value: str, order: str) -> str | None:
    """What a date written in three numbers says in this order; None when it can be no date."""
    numbers = _NUMBERS.findall(value)[:3]
    if len(numbers) < 3 or sorted(order) != ["d", "m", "y"]:
        return None
    parts = dict(zip(order, numbers, strict=True))
    day, month = int(parts["d"]), int(parts["m"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{day} {month_name[month]} {parts['y']}"


def _position(question: Question, decision: Decision) -> int | None:
    header = decision.reader.header
    for match in decision.columns.matched.values():
        if label_of(header, match.position) == question.column:
            return match.position
    return None


def _short(value: str) -> str:
    shown = "".join(letter if letter.isprintable() else "�" for letter in value)
    return shown if len(shown) <= 40 else f"{shown[:39]}…"


def _about_codes(question: Question, decision: Decision) -> Iterator[Asked]:
    """One question for each spelling, the most frequent first."""
    name = _field_of(question, decision)
    if name is None:
        return
    is_unit = kind_of(decision.contract.field(name)) == "ucum-unit"
    spellings = decision.study.evidence.columns[name].unknown
    for spelling, count in spellings[:_MOST_SPELLINGS]:
        rows = "1 row" if count == 1 else f"{count} rows"
        yield Asked(
            key=f"code:{question.column}:{spelling}",
            code=question.code.value,
            ask=f"`{_short(spelling)}` stands in `{question.column}` in {rows} and is "
            f"{'no known unit' if is_unit else f'no known word for {name}'}. What does it mean?",
            answers=_meanings(spelling, name, decision.contract),
            free=f"any other {'unit' if is_unit else f'code of {name}'}",
        )
    left = len(spellings) - _MOST_SPELLINGS
    if left > 0:
        yield Asked(
            key=f"unread:{question.column}",
            code=question.code.value,
            ask=f"{left} or more further spellings in `{question.column}` are no known words for "
            f"{name}.",
            answers={
                REJECT: "reject rows with values that are no code, one by one, and never ask again",
                "rescue": "the column is something else: keep it beside the data",
                "ignore": "the column is something else: leave it out",
            },
        )


def _field_of(question: Question, decision: Decision) -> str | None:
    header = decision.reader.header
    return next(
        (
            name
            for name, match in decision.columns.matched.items()
            if label_of(header, match.position) == question.column
            and decision.study.evidence.columns[name].unknown
        ),
        None,
    )


def _meanings(spelling: str, name: str, contract: Contract) -> dict[str, str]:
    """Possible meanings of a spelling, the nearest first."""
    described = contract.field(name)
    match kind_of(described):
        case "boolean":
            known = {"true": "yes", "false": "no"}
        case "ucum-unit":
            known = dict.fromkeys(_near_units(spelling), "")
            known = {unit: f"the unit {unit}" for unit in known}
        case _:
            codeset = codeset_of(described, contract)
            near = nearest(codeset, spelling)
            codes = [code.value for code in codeset.codes if not code.ask]
            labels = {code.value: code.label or code.value for code in codeset.codes}
            several = [*near, *(code for code in codes if code not in near)]
            known = {code: labels.get(code, code) for code in several[:_MOST_ANSWERS]}
    return {
        **known,
        MISSING: "it means 'no value'",
        REJECT: "it means nothing here: reject rows that have it",
    }


def _near_units(spelling: str) -> list[str]:
    """Units that differ from a spelling only by case; case is never folded without a yes."""
    folded = spelling.casefold().replace(" ", "")
    return [
        code
        for code, spellings in SPELLINGS.items()
        if any(one.casefold().replace(" ", "") == folded for one in (code, *spellings))
    ]


def questions_text(questions: Sequence[Asked], intro: Iterable[str]) -> str:
    """The text of questions.txt."""
    lines = [*intro, "", _RULE]
    for number, question in enumerate(questions, 1):
        lines += ["", f"{number}. {question.ask}", ""]
        for answer, meaning in question.answers.items():
            told = " (proposed)" if answer == question.proposed else ""
            lines.append(f"   {answer}{told}: {meaning}" if meaning else f"   {answer}{told}")
        if question.free:
            lines.append(f"   or {question.free}")
        if question.proposed is not None and question.proposed not in question.answers:
            lines.append(f"   proposed: {question.proposed}")
        lines.append(f"   key: {question.key}")
        lines += ["", _RULE]
    return "\n".join(lines) + "\n"

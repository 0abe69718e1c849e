"""What an answer changes: questions have keys, and an answer becomes a word of the mapping.

`date:dob:99/99/9999=dmy` becomes `format: "%d/%m/%Y"` of the column `dob`, and from then on nobody
is asked again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Named
from dataclasses import dataclass
from typing import Any

import pydantic

from pipeline.contract.loading import Contract
from pipeline.contract.yaml_file import LocatedDocument
from pipeline.mapping.dateformats import format_of_shape
from pipeline.mapping.model import REPAIR, Asked, MappedField, Mapping
from pipeline.mapping.rules import FRACTION, cross_check
from pipeline.mapping.text import plain_document
from pipeline.standardize.unit_evidence import UNKNOWN_CODE

Document = dict[str, Any]

RESCUE, IGNORE, REJECT, MISSING, KEEP = "rescue", "ignore", "reject", "missing", "keep"
_CHARACTERS = {"comma": ",", "point": ".", "semicolon": ";", "tab": "\t", "bar": "|"}
_ABOVE_COLUMNS = ("table", "delimiter", "header", "contract")
"""Other answers than the proposed ones to these make everything said about columns void."""


class AnswerError(ValueError):
    """Answers that cannot be taken; `problems` has a sentence for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


def apply_answers(
    proposal: Mapping, answers: Named[str, str], contracts: Named[str, Contract] | None = None
) -> Mapping:
    """The mapping with its questions answered; unanswered ones take the proposed answer.

    A key may be shortened (`dob` for `date:dob:99/99/9999`, `unit.weight`) where only one question
    can be meant. Answers that already stand in the proposal count, given ones come first. What
    nobody answered and nothing is proposed for stays as an open question. The status stays.

    Raises:
        AnswerError: a key is of no question or of several, or an answer is not one of those asked.
    """
    problems: list[str] = []
    given: dict[str, str] = {}
    for key, answer in answers.items():
        found = find_questions(proposal, key)
        if len(found) != 1:
            problems.append(_which(key, found, proposal))
            continue
        try:
            given[found[0].key] = _accepted(found[0], answer)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise AnswerError(problems)
    return _settled(proposal, given, contracts)


def _settled(
    proposal: Mapping, given: Named[str, str], contracts: Named[str, Contract] | None
) -> Mapping:
    document = plain_document(proposal)
    still_open: list[Document] = []
    void = reread = False
    # Answers about the text itself come first: with another reading there are other columns.
    for question in sorted(proposal.questions, key=lambda one: one.key not in _ABOVE_COLUMNS):
        if void and question.key not in _ABOVE_COLUMNS:
            continue
        answer = given.get(question.key, question.answer)
        if answer is None:
            answer = question.proposed
        if answer is None:
            still_open.append(question.model_dump(by_alias=True, exclude_defaults=True))
            continue
        void |= question.key in _ABOVE_COLUMNS and answer != question.proposed
        reread |= void and question.key != "contract"
        try:
            _apply(document, proposal, question.key, answer)
        except ValueError as error:
            raise AnswerError([f"{question.key}: {error}"]) from None
    if void:  # the file is looked at again by these words, and its columns are asked about then
        document.pop("fields", None)
        document.pop("constants", None)
        document.get("match", {}).pop("fingerprint", None)
        still_open = []
    if reread:
        document.get("match", {}).pop("labels", None)
    document["questions"] = still_open
    return _validated(document, contracts)


def _validated(document: Document, contracts: Named[str, Contract] | None) -> Mapping:
    try:
        mapping = Mapping.model_validate(document)
    except pydantic.ValidationError as error:
        raise AnswerError(str(one["msg"]) for one in error.errors()) from None
    if contracts is not None and not mapping.questions:
        located = LocatedDocument("answer")
        cross_check(mapping, contracts, located)
        if located.problems:
            raise AnswerError(problem.sentence for problem in located.problems)
    return mapping


def find_questions(mapping: Mapping, key: str) -> list[Asked]:
    """The questions a key can mean: exactly that one, or all that have its parts."""
    exact = [question for question in mapping.questions if question.key == key]
    if exact:
        return exact
    folded = key.casefold()
    same = [question for question in mapping.questions if question.key.casefold() == folded]
    if same:
        return same
    wanted = set(_parts(folded))
    return [
        question
        for question in mapping.questions
        if wanted <= set(_parts(question.key.casefold())) | {question.key.casefold()}
    ]


def _parts(key: str) -> list[str]:
    """Parts of a key, at colons and at dots between words; labels with spaces stay whole."""
    return [part for part in re.split(r":|\.(?=[^\s.\d])|(?<=[^\s.\d])\.(?=\w)", key) if part]


def _which(key: str, found: list[Asked], mapping: Mapping) -> str:
    if found:
        return f"'{key}' can mean {' or '.join(one.key for one in found)}"
    known = ", ".join(question.key for question in mapping.questions) or "none is open"
    return f"there is no question '{key}'; there are: {known}"


def _accepted(question: Asked, answer: str) -> str:
    """The answer as the question knows it.

    Raises:
        ValueError: it is not one of them, and others cannot be given.
    """
    folded = answer.strip().casefold()
    for known in question.answers:
        if known == answer or known.casefold() == folded:
            return known
    character = _CHARACTERS.get(folded)
    if character is not None and character in question.answers:
        return character
    if question.free is not None and answer.strip():
        return answer.strip()
    raise ValueError(
        f"'{answer}' is no answer to '{question.key}'; answers: {', '.join(question.answers)}"
    )


@dataclass(frozen=True, slots=True)
class _At:
    """Where an answer goes: the document, the column it is about, and what follows in the key."""

    document: Document
    column: Document | None
    detail: str


def _apply(document: Document, proposal: Mapping, key: str, answer: str) -> None:
    kind, _, rest = key.partition(":")
    act = _ACTS.get(kind)
    if act is None:
        raise ValueError("this question is of a kind that is not known")
    column, detail = (None, rest) if kind in _OF_THE_FILE else _column(document, proposal, rest)
    act(_At(document, column, detail), answer)


def column_key(field: MappedField, mapping: Mapping) -> str:
    """How a column is called in the keys of questions: its label, with its place if need be."""
    return key_of_column(field.name, field.position, mapping.labels)


def key_of_column(label: str, place: int | None, labels: Iterable[str]) -> str:
    """The same from a label, its place (1 for the first) and all labels."""
    same = sum(1 for other in labels if other == label)
    return f"{label} (column {place})" if same > 1 or not label else label


def _column(document: Document, proposal: Mapping, rest: str) -> tuple[Document, str]:
    """The column a key is about: the one whose label is the longest fit."""
    best: tuple[int, Document] | None = None
    for field, column in zip(proposal.fields, document.get("fields", []), strict=True):
        name = column_key(field, proposal)
        if (rest == name or rest.startswith(f"{name}:")) and (best is None or len(name) > best[0]):
            best = (len(name), column)
    if best is None:
        raise ValueError("its column is not among the fields")
    return best[1], rest[best[0] + 1 :]


def _of(at: _At) -> Document:
    if at.column is None:  # pragma: no cover - `_apply` gives every other kind its column
        raise ValueError("it is about no column")
    return at.column


def _contract(at: _At, answer: str) -> None:
    at.document["contract"] = answer


def _delimiter(at: _At, answer: str) -> None:
    at.document.setdefault("dialect", {})["delimiter"] = _CHARACTERS.get(answer, answer)


def _table(at: _At, answer: str) -> None:
    at.document.setdefault("dialect", {})["table"] = answer


def _header(at: _At, answer: str) -> None:
    dialect = at.document.setdefault("dialect", {})
    for word in ("header", "headerRows", "unnamed"):
        dialect.pop(word, None)
    if answer == "none":
        dialect["header"] = False
    elif answer in ("first", "last"):
        dialect["unnamed"] = answer
    else:
        dialect["headerRows"] = [int(line) for line in re.split(r"\D+", answer) if line]


def _footer(at: _At, answer: str) -> None:
    if answer == KEEP:
        at.document["footer"] = {"drop": 0}


def _fate(at: _At, answer: str) -> None:
    column = _of(at)
    if answer not in _names(column):  # what spoke for another field says nothing about this one
        for word in ("confidence", "margin", "evidence"):
            column.pop(word, None)
    for word in ("to", "rescue", "ignore"):
        column.pop(word, None)
    if answer in (RESCUE, IGNORE):
        column[answer] = True
    else:
        for other in at.document.get("fields", []):
            if other is not column and answer in _names(other):
                other.pop("to")
                other[RESCUE] = True
        at.document.get("constants", {}).pop(answer, None)
        column["to"] = answer


def _names(column: Document) -> tuple[str, ...]:
    to = column.get("to", ())
    return (to,) if isinstance(to, str) else tuple(to)


def _required(at: _At, answer: str) -> None:
    """A column for a required field, or `=value` for every row."""
    if answer.startswith("="):
        at.document.setdefault("constants", {})[at.detail] = answer[1:].strip()
        return
    labels = [column["name"] for column in at.document.get("fields", [])]
    for place, column in enumerate(at.document.get("fields", []), 1):
        if key_of_column(column["name"], column.get("position", place), labels) == answer:
            _fate(_At(at.document, column, ""), at.detail)
            return
    raise ValueError(f"there is no column '{answer}'; to give every row one value, write '=value'")


def _date(at: _At, answer: str) -> None:
    column = _of(at)
    text = format_of_shape(at.detail, answer)
    if text is None:
        raise ValueError("the order cannot be written as a format")
    formats = column.get("format", [])
    formats = [formats] if isinstance(formats, str) else list(formats)
    others = {format_of_shape(at.detail, order) for order in ("dmy", "mdy", "ymd")}
    column["format"] = [*(one for one in formats if one not in others), text]


def _append(word: str) -> Callable[[_At, str], None]:
    def act(at: _At, answer: str) -> None:
        column = _of(at)
        column[word] = list(dict.fromkeys([*column.get(word, []), answer]))

    return act


def _put(word: str) -> Callable[[_At, str], None]:
    def act(at: _At, answer: str) -> None:
        _of(at)[word] = answer

    return act


def _zone(at: _At, answer: str) -> None:
    _of(at).setdefault("zones", {})[at.detail] = answer


def _decimal(at: _At, answer: str) -> None:
    column = _of(at)
    column["decimalChar"] = _CHARACTERS.get(answer, answer)
    if column.get("groupChar") == column["decimalChar"]:
        del column["groupChar"]


def _unit(at: _At, answer: str) -> None:
    column = _of(at)
    if at.detail:
        column.setdefault("units", {})[at.detail] = answer
    else:
        column["unit"] = answer


def _scale(at: _At, answer: str) -> None:
    _of(at).setdefault("units", {})[at.detail] = FRACTION if answer == "fraction" else "%"


def _code(at: _At, answer: str) -> None:
    column = _of(at)
    _rename_seen(at, answer)
    column.get("values", {}).pop(at.detail, None)
    if answer == REJECT:
        rejected = column.get("rejectValues", [])
        column["rejectValues"] = list(dict.fromkeys([*rejected, at.detail]))
    else:
        column.setdefault("values", {})[at.detail] = "" if answer == MISSING else answer


def _rename_seen(at: _At, answer: str) -> None:
    """Units that were seen of a spelling are from now on those of its code."""
    for column in at.document.get("fields", []):
        units = column.get("seen", {}).get("units", {})
        found = units.pop(f"{UNKNOWN_CODE}{at.detail}", None)
        if found is not None and answer not in (REJECT, MISSING):
            units[answer] = sorted({*units.get(answer, []), *found})


def _damage(at: _At, answer: str) -> None:
    if answer == REPAIR:
        at.document["encoding"] = REPAIR
    else:
        _append("accept")(at, "damaged-text")


def _accept(*findings: str) -> Callable[[_At, str], None]:
    def act(at: _At, answer: str) -> None:
        if answer in (KEEP, REJECT):
            for finding in findings:
                _append("accept")(at, finding)
        else:
            _fate(at, answer)

    return act


def _time(at: _At, answer: str) -> None:
    _append("accept")(at, "no-time" if answer == REJECT else "start-of-day")


def _nothing(at: _At, answer: str) -> None:
    """A yes to what stands in the proposal already."""


_OF_THE_FILE = frozenset({"contract", "table", "delimiter", "header", "footer", "field", "layout"})
_ACTS: dict[str, Callable[[_At, str], None]] = {
    "contract": _contract,
    "delimiter": _delimiter,
    "table": _table,
    "header": _header,
    "footer": _footer,
    "layout": _nothing,
    "field": _required,
    "column": _fate,
    "date": _date,
    "serial": _put("serials"),
    "language": _append("languages"),
    "zone": _zone,
    "timezone": _put("timezone"),
    "decimal": _decimal,
    "unit": _unit,
    "scale": _scale,
    "code": _code,
    "text": _damage,
    "time": _time,
    "ids": _accept("date-like-ids"),
    "unread": _accept("unreadable"),
    "misfit": _accept("other-values", "unreadable"),  # its answer says that such rows are rejected
    "changed": _nothing,
}

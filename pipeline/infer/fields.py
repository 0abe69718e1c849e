"""From the facts about a column to a proposed field: its type, its words, its constraints.

Nothing is taken for more than every value shows. What a person must look at stands in `notes`,
which become comments. Values appear in a proposal only as codes (`infer.codes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.infer.codes import are_codes, as_codes
from pipeline.infer.facts import ColumnFacts
from pipeline.infer.labels import (
    field_name,
    is_code,
    is_day,
    is_free_text,
    is_identifier,
    is_past,
    is_personal,
    is_phone,
    is_postal_code,
    words_of,
)
from pipeline.infer.model import FieldProposal, Setting
from pipeline.standardize.base import Question
from pipeline.standardize.dates import decide_dates
from pipeline.standardize.numbers import decide_numbers
from pipeline.standardize.text import fold
from pipeline.standardize.units import normalize_unit
from pipeline.standardize.us_states import us_states

_NEARLY_ALL = 0.95
_LONG_DIGITS = 9  # whole numbers of so many digits name things, they do not count them
_BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"}, {"ja", "nein"})
_TRUE = {"true", "yes", "y", "t", "ja", "1"}


def propose(facts: ColumnFacts, position: int, taken: set[str], setting: Setting) -> FieldProposal:
    """Propose the field of one column."""
    words = words_of(facts.label)
    proposal = FieldProposal(
        name=field_name(facts.label, position, taken), label=facts.label, position=position
    )
    if facts.label.strip() and facts.label.strip() != proposal.name:
        proposal.extra["aliases"] = [facts.label.strip()]
    proposal.is_personal = is_personal(words)
    if facts.is_never_empty:
        proposal.constraints["required"] = True
    if not facts.values:
        proposal.notes.append("No row of the sample has a value here.")
        return proposal
    for kind in (_as_identifier, _as_boolean, _as_date, _as_contact, _as_number, as_codes):
        if kind(facts, words, setting, proposal):
            break
    return proposal


def _as_identifier(
    facts: ColumnFacts, words: tuple[str, ...], setting: Setting, proposal: FieldProposal
) -> bool:
    """Identifiers are text: zeros, case and dashes survive."""
    all_digits = facts.digits_only == facts.values
    is_long = all_digits and min(facts.widths, default=0) >= _LONG_DIGITS
    says_so = is_identifier(words) and not is_day(words)
    if not (says_so or is_long or (facts.zero_first and all_digits)):
        return False
    if says_so and is_code(words) and are_codes(facts, words, proposal):
        return False
    if _looks_decimal(facts):
        return False
    proposal.is_identifier = True
    proposal.can_be_key = not is_postal_code(words)
    proposal.extra["semantic"] = "identifier"
    if not says_so:
        proposal.notes.append("Digits that look like an identifier: kept as text.")
    return True


def _looks_decimal(facts: ColumnFacts) -> bool:
    proofs = facts.numbers.total("point_proof", "comma_proof")
    return proofs > 0 and facts.digits_only + proofs == facts.values and not facts.zero_first


def _as_boolean(
    facts: ColumnFacts, words: tuple[str, ...], setting: Setting, proposal: FieldProposal
) -> bool:
    if facts.texts is None:
        return False
    found = {fold(text) for text in facts.texts}
    if not any(found <= pair and len(found) == 2 for pair in _BOOLEANS):
        return False
    proposal.type = "boolean"
    texts = sorted({fold(text): text for text in facts.texts}.values())
    if found != {"true", "false"}:
        proposal.extra["trueValues"] = [text for text in texts if fold(text) in _TRUE]
        proposal.extra["falseValues"] = [text for text in texts if fold(text) not in _TRUE]
    return True


def _as_date(
    facts: ColumnFacts, words: tuple[str, ...], setting: Setting, proposal: FieldProposal
) -> bool:
    shapes = facts.dates.as_dict()["shapes"]
    counts = {name: shape["values"] for name, shape in shapes.items()}
    only_digits = sum(counts[name] for name in counts if not set(name) & set("-/. :TA"))
    if not counts or (only_digits and not is_day(words)) or facts.dates.unreadable:
        return False
    timed = sum(counts[name] for name in counts if ":" in name)
    kind = "datetime" if timed * 2 > sum(counts.values()) else "date"
    decided = decide_dates(
        facts.dates,
        column=facts.label,
        kind="datetime" if kind == "datetime" else "date",
        timezone=setting.timezone or "UTC",
        century="past" if is_past(words) else "nearest",
        today=setting.today,
    )
    if isinstance(decided, list):
        return _undecided(decided, f"type: {kind}", proposal)
    if decided.parse_share < _NEARLY_ALL:
        return False
    proposal.type = kind
    if is_past(words):
        proposal.extra["century"] = "past"
    if kind == "datetime" and any(shape.get("no-offset") for shape in shapes.values()):
        proposal.extra["timezone"] = setting.timezone or "UTC"
        if setting.timezone is None:
            proposal.notes.append(
                "The times carry no offset. UTC stands here until you write the zone they are in, "
                "for example America/New_York."
            )
    return True


def _undecided(questions: Sequence[Question], instead: str, proposal: FieldProposal) -> bool:
    proposal.notes.append(f"Text until this is settled: {questions[0].sentence}")
    proposal.notes.append(f"Then write {instead}.")
    return True


def _as_number(
    facts: ColumnFacts, words: tuple[str, ...], setting: Setting, proposal: FieldProposal
) -> bool:
    numbers = facts.numbers
    decided = decide_numbers(
        numbers, column=facts.label, integer=False, delimiter=setting.delimiter
    )
    if isinstance(decided, list):
        read = facts.values - numbers["other"] - numbers["text"]
        return read == facts.values and _undecided(decided, "type: number", proposal)
    if decided.parse_share + decided.text_share < 1.0 or decided.parse_share < 0.5:
        return False
    if numbers["unit"]:
        if proposal.is_personal or is_free_text(words):  # 12 Main Street
            return True
        proposal.notes.append(
            "Numbers with their unit behind them. To have them converted, write type: number, "
            "unit: {from: <field of the unit>, to: <UCUM unit>}."
        )
        return True
    whole = numbers.total("whole_small", "whole_large") + decided.text_share * facts.values
    is_whole = whole >= facts.values and not numbers["scientific"]
    proposal.type = "integer" if is_whole and not numbers["text"] else "number"
    if numbers["comparator"] or numbers["text"]:
        proposal.type = "number"
        parts = {"comparator": numbers["comparator"], "text": numbers["text"]}
        proposal.parts = [
            (part, f"{proposal.name}_{part}") for part, count in parts.items() if count
        ]
        proposal.extra["split"] = dict(proposal.parts)
    return True


def _as_contact(
    facts: ColumnFacts, words: tuple[str, ...], setting: Setting, proposal: FieldProposal
) -> bool:
    """What its name promises and its values keep: units, states, mail addresses."""
    semantic = _semantic_of(facts.texts or {}, words)
    if semantic is not None:
        proposal.extra["semantic"] = semantic
        return True
    if is_phone(words):
        proposal.notes.append(
            "Telephone numbers: write semantic: phone and region: <country> to have them checked."
        )
        return True
    if facts.texts is not None and not all("@" in text for text in facts.texts):
        return False
    if facts.texts is None and "mail" not in words and "email" not in words:
        return False
    proposal.extra["format"] = "email"
    proposal.is_personal = True
    return True


def _semantic_of(texts: Mapping[str, int], words: tuple[str, ...]) -> str | None:
    """Kind of text whose every value is known here, when the name promises that kind."""
    if not texts:
        return None
    states = us_states()
    if "state" in words[-1:] and all(states.lookup(fold(text)) for text in texts):
        return "us-state"
    if {"unit", "units", "uom"} & set(words) and all(map(normalize_unit, texts)):
        return "ucum-unit"
    return None

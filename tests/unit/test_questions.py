from __future__ import annotations

import pytest

from pipeline.contract.loading import BUILT_IN, load_contracts
from pipeline.mapping.assign import assign
from pipeline.mapping.model import Asked, Mapping
from pipeline.review.answers import AnswerError, apply_answers, find_questions
from pipeline.review.questions import questions_text

CONTRACTS = load_contracts(BUILT_IN)


def asked(key: str, *answers: str, proposed: str | None = None, free: str | None = None) -> dict[
    str, object
]:  # fmt: skip
    question: dict[str, object] = {"key": key, "code": "X", "ask": "?"}
    question["answers"] = dict.fromkeys(answers, "meaning")
    return question | {
        name: value for name, value in (("proposed", proposed), ("free", free)) if value
    }


def proposal(*questions: dict[str, object], **words: object) -> Mapping:
    fields = [
        {"name": "Nr", "to": "patient_id"},
        {"name": "Name", "to": "family_name"},
        {"name": "dob", "to": "birth_date"},
        {"name": "Time: start", "rescue": True},
        {"name": "sex", "to": "sex"},
    ]
    return Mapping.model_validate(
        {
            "contract": "patients",
            "source": "north",
            "status": "proposed",
            "fields": fields,
            "questions": list(questions),
            **words,
        }
    )


@pytest.mark.parametrize(
    ("key", "answer", "word", "value"),
    [
        ("date:dob:99/99/9999", "dmy", "format", ("%d/%m/%Y",)),
        ("serial:dob", "1904", "serials", "1904"),
        ("language:dob:fr/it", "fr", "languages", ("fr",)),
        ("zone:dob:EST", "-05:00", "zones", {"EST": "-05:00"}),
        ("timezone:dob", "Europe/Berlin", "timezone", "Europe/Berlin"),
        ("decimal:dob", "comma", "decimal_char", ","),
        ("unit:dob", "kg", "unit", "kg"),
        ("unit:dob:glucose", "mg/dL", "units", {"glucose": "mg/dL"}),
        ("scale:dob:oxygen_saturation", "fraction", "units", {"oxygen_saturation": "1"}),
        ("ids:dob", "keep", "accept", ("date-like-ids",)),
        ("unread:dob", "reject", "accept", ("unreadable",)),
        ("misfit:dob", "keep", "accept", ("other-values", "unreadable")),
        ("text:dob", "keep", "accept", ("damaged-text",)),
        ("code:dob:a: b", "x", "values", {"a: b": "x"}),
        ("code:dob:k.A.", "missing", "values", {"k.A.": ""}),
        ("code:dob:?", "reject", "reject_values", ("?",)),
        ("column:dob", "ignore", "ignore", True),
        ("column:Time: start", "death_date", "to", ("death_date",)),
    ],
)
def test_an_answer_becomes_a_word_of_its_column(
    key: str, answer: str, word: str, value: object
) -> None:
    known = {"comma": ","}.get(answer, answer)
    mapping = apply_answers(proposal(asked(key, known)), {key: answer})
    label = "Time: start" if "Time" in key else "dob"
    [field] = [one for one in mapping.fields if one.name == label]

    assert getattr(field, word) == value
    assert mapping.questions == ()


def test_answers_about_the_whole_file() -> None:
    kept = apply_answers(
        proposal(
            asked("footer", "drop", "keep", proposed="drop"), footer={"drop": 1, "expect": "T"}
        ),
        {"footer": "keep"},
    )
    assert (kept.footer.drop, kept.footer.expect) == (0, None)
    repaired = apply_answers(proposal(asked("text:Name", "repair", "keep")), {"Name": "repair"})
    assert repaired.encoding == "repair"
    constant = apply_answers(proposal(asked("field:state", free="=value")), {"state": "=NY"})
    assert constant.constants == {"state": "NY"}
    fed = apply_answers(proposal(asked("field:phone", "Time: start")), {"phone": "Time: start"})
    assert fed.fields[3].to == ("phone",)


def test_a_column_that_takes_a_field_takes_it_from_the_column_that_had_it() -> None:
    mapping = apply_answers(
        proposal(asked("column:Time: start", "birth_date")), {"column:Time: start": "birth_date"}
    )

    assert {one.name: one.to for one in mapping.fields if one.to}["Time: start"] == ("birth_date",)
    assert mapping.fields[2].rescue


@pytest.mark.parametrize(
    ("key", "answer", "found"),
    [
        ("delimiter", "semicolon", {"delimiter": ";"}),
        ("header", "none", {"header": False}),
        ("header", "1+2", {"header_rows": (1, 2)}),
        ("header", "first", {"unnamed": "first"}),
    ],
)
def test_another_reading_makes_everything_about_columns_void(
    key: str, answer: str, found: dict[str, object]
) -> None:
    mapping = apply_answers(
        proposal(asked(key, answer, "2", proposed="2"), asked("date:dob:99/99/9999", "dmy")),
        {key: answer},
    )

    assert not mapping.fields
    assert not mapping.questions
    assert mapping.match.labels is None
    for word, value in found.items():
        assert getattr(mapping.dialect, word) == value


def test_proposed_answers_count_and_open_questions_stay_open() -> None:
    mapping = apply_answers(
        proposal(asked("column:dob", "rescue", proposed="rescue"), asked("unit:sex", "kg")), {}
    )

    assert mapping.fields[2].rescue
    assert [question.key for question in mapping.open_questions] == ["unit:sex"]


def test_keys_may_be_shortened_where_only_one_question_can_be_meant() -> None:
    mapping = proposal(
        asked("date:dob:99/99/9999", "dmy"),
        asked("date:dob:99-99-9999", "dmy"),
        asked("decimal:Wert", ","),
        asked("unit:value:weight", "kg"),
        asked("code:sex:k.A.", "x"),
        asked("column:Wert.2", "x"),
    )

    def found(key: str) -> list[str]:
        return [one.key for one in find_questions(mapping, key)]

    assert found("Wert.decimal") == ["decimal:Wert"]
    assert found("unit.weight") == ["unit:value:weight"]
    assert found("SEX") == ["code:sex:k.A."]
    assert found("99/99/9999") == ["date:dob:99/99/9999"]
    assert found("column:Wert.2") == ["column:Wert.2"]
    assert len(found("dob")) == 2
    with pytest.raises(AnswerError, match="can mean date:dob:99/99/9999 or date:dob:99-99-9999"):
        apply_answers(mapping, {"dob": "dmy"})


def test_answers_that_are_none_are_refused_all_at_once() -> None:
    mapping = proposal(asked("date:dob:99/99/9999", "dmy", "mdy"), asked("sex", free="a code"))
    with pytest.raises(AnswerError) as caught:
        apply_answers(mapping, {"nothing": "x", "dob": "dym"})

    assert caught.value.problems == (
        "there is no question 'nothing'; there are: date:dob:99/99/9999, sex",
        "'dym' is no answer to 'date:dob:99/99/9999'; answers: dmy, mdy",
    )


def test_free_answers_are_held_against_the_contract() -> None:
    mapping = proposal(asked("code:sex:w", "female", free="any other code"))
    with pytest.raises(AnswerError, match="'femal' is no code of sex; did you mean 'female'"):
        apply_answers(mapping, {"sex": "femal"}, CONTRACTS)
    zone = proposal(asked("timezone:dob", free="a zone"))
    with pytest.raises(AnswerError, match="no time zone 'Berlin'"):
        apply_answers(zone, {"timezone:dob": "Berlin"}, CONTRACTS)


def test_the_text_for_people_has_every_question_with_its_answers() -> None:
    text = questions_text(
        [
            Asked.model_validate(asked("date:dob:99/99/9999", "dmy", "mdy")),
            Asked.model_validate(asked("unit:w", "kg", proposed="kg", free="any unit")),
        ],
        ["Two questions."],
    )

    assert text.startswith("Two questions.\n")
    assert "   dmy: meaning\n   mdy: meaning\n   key: date:dob:99/99/9999\n" in text
    assert "   kg (proposed): meaning\n   or any unit\n   key: unit:w\n" in text


def test_columns_go_where_they_help_most() -> None:
    scores = {("a", "x"): 0.9, ("a", "y"): 0.8, ("b", "x"): 0.7, ("b", "y"): 0.1, ("c", "z"): 0.0}

    assert assign(scores) == {"x": "b", "y": "a"}
    assert assign({}) == {}

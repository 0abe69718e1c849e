"""Text: hazards of area D, A5 and C55, and that nothing visible is ever lost."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import FileCode, RowCode
from pipeline.standardize.base import Question
from pipeline.standardize.text import (
    TextEvidence,
    clean,
    convert_string,
    decide_text,
    fold,
    fold_array,
    nullify,
)
from tests.unit.counting import counted

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

cells = st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=20)


def cleaned(*texts: str | None) -> list[str | None]:
    found: list[str | None] = clean(pa.array(texts, pa.string()))[0].to_pylist()
    return found


def questions(*texts: str | None) -> list[Question]:
    evidence = TextEvidence()
    evidence.observe(pa.array(texts, pa.string()))
    return decide_text(evidence, column="name")


def test_d56_a_surname_is_missing_only_where_its_own_list_says_so() -> None:
    names = pa.array(["Null", "None", "NA", "", None])
    assert nullify(names, ("",)).to_pylist() == ["Null", "None", "NA", None, None]
    assert nullify(names, ()).to_pylist() == ["Null", "None", "NA", None, None]
    assert nullify(names, ("NA",)).to_pylist() == ["Null", "None", None, None, None]


def test_d56_missing_words_are_compared_letter_by_letter() -> None:
    assert nullify(pa.array(["na", "N/A", "N/A?", "xN/A"]), ("NA", "N/A")).to_pylist() == [
        "na", None, "N/A?", "xN/A",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "space", [" ", "\u00a0", "\u2007", "\u202f", "\u3000", "\t", "\r\n", "\u200b"]
)
def test_d58_a_cell_of_nothing_but_space_is_missing(space: str) -> None:
    assert cleaned(space, f"{space}x{space}", f"a{space}{space}") == ["", "x", "a"]
    assert nullify(clean(pa.array([space]))[0], ()).to_pylist() == [None]


def test_d58_space_inside_a_cell_stays() -> None:
    texts = ["de la  Cruz", "12\u00a0345", "first line\nsecond line", "a\tb"]
    array = pa.array(texts)
    assert clean(array) == (array, {})


def test_d59_a_number_is_missing_only_where_listed() -> None:
    counts = pa.array(["999", "-9", "9999-12-31", "1900-01-01"])
    assert nullify(counts, ("",)).to_pylist() == counts.to_pylist()
    assert nullify(counts, ("-9",)).to_pylist() == ["999", None, "9999-12-31", "1900-01-01"]


def test_d61_both_spellings_of_an_accent_become_one() -> None:
    composed, decomposed = "José", unicodedata.normalize("NFD", "José")
    array, counts = clean(pa.array([composed, decomposed]))
    assert array.to_pylist() == ["José", "José"]
    assert counted(counts) == {"nfc": 1}


def test_d62_apostrophes_match_and_are_stored_as_given() -> None:
    assert fold("O’Brien") == fold("O'Brien")
    assert cleaned("O’Brien", "O'Brien") == ["O’Brien", "O'Brien"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "straße"),
        ("İstanbul", "istanbul"),
        ("Patient_ID", "  patient  id "),
        ("Four  times-daily", "four times daily"),
        ("e-mail", "E Mail"),
        ("non-binary", "Non Binary"),
        ("ΜΆΪΟΣ", "μάϊος"),
        ("5 µg", "5 μg"),
        ("O–", "o-"),
        ("AB -", "AB-"),
        ("(O-)", "O-"),
    ],
)
def test_d64_names_that_are_the_same_fold_to_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("O+", "O-"), ("O+", "O"), ("O-", "O"), ("AB -", "AB"), ("<5", ">5"), ("5%", "5"),
     ("患者", "血糖"), ("Na+", "Na"), ("não", "nao")],
)  # fmt: skip
def test_d64_names_that_differ_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_folding_an_array_keeps_its_gaps() -> None:
    assert fold_array(pa.array(["A-B", None, "a b"])).to_pylist() == ["a b", None, "a b"]


@pytest.mark.parametrize(
    "text",
    ["JosÃ©", "Â°C", "37 Â°C", "5 Âµg/L", "donâ€™t", "ESPAÃ‘A", "KÃ–LN", "Î¼g/L", "â‰¤5", "MÃ¼ller",
     "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "ÃƒÂ©", "Jos\ufffd", "O\x92Brien", "PerÃº", "12Â\u00a0mg", "åŒ—äº¬"],
)  # fmt: skip
def test_a5_and_d65_text_decoded_twice_is_asked_about(text: str) -> None:
    (question,) = questions("fine", text, None)
    assert question.code is FileCode.TEXT_DAMAGED
    assert question.column == "name"
    assert question.sentence.startswith("1 of 2 values")
    assert text not in question.sentence


@pytest.mark.parametrize(
    "text",
    ["SÃO PAULO", "São João", "“IRMÔ", "IRMÃ…", "IRMÃ\u00a0MARIA", "NESCAFÉ®", "DÑª", "Â",
     "ÅÄÖ", "Ångström", "37 °C", "5 µg/L", "Ø²", "naïve", "Łódź", "Привет", "北京",
     "«À»", "1º", "½", "Ã", "AMANHÃ", "Ünal"],
)  # fmt: skip
def test_d65_real_text_is_not_taken_for_damage(text: str) -> None:
    assert questions(text) == []


def test_damage_that_was_let_through_is_marked_not_changed() -> None:
    converted = convert_string(pa.array(["fine", "JosÃ©"]))
    assert converted.values.to_pylist() == ["fine", "JosÃ©"]
    assert converted.marked[RowCode.MOJIBAKE].tolist() == [1]


@pytest.mark.parametrize("text", ["А1", "PТ-1", "АВС", "Ο2", "MRN-Α17"])
def test_c55_letters_that_only_look_latin_are_marked_in_an_identifier(text: str) -> None:
    converted = convert_string(pa.array(["A1", text]), identifier=True)
    assert converted.values.to_pylist() == ["A1", text]
    assert converted.marked[RowCode.MIXED_SCRIPT].tolist() == [1]


@pytest.mark.parametrize("text", ["A1", "Ж-17", "Ωδ", "José", "患者1", "µ"])
def test_c55_letters_of_one_alphabet_are_not_marked(text: str) -> None:
    assert convert_string(pa.array([text]), identifier=True).marked == {}


def test_c55_greek_in_ordinary_text_is_not_marked() -> None:
    assert convert_string(pa.array(["β-hCG", "IFN-γ"])).marked == {}


@pytest.mark.parametrize("pattern", [r"[A-Z]\d{2}", r"(?=[A-Z])\w\d{2}"], ids=["RE2", "lookahead"])
def test_a_pattern_must_match_the_whole_value(pattern: str) -> None:
    converted = convert_string(
        pa.array(["A12", "A123", "xA12", "A12\n", None, "A١٢"]), pattern=pattern
    )
    assert converted.bad[RowCode.PATTERN].tolist() == [1, 2, 3, 5]
    assert converted.values.to_pylist() == ["A12", None, None, None, None, None]


def test_cleaning_counts_cells_by_reason() -> None:
    _, counts = clean(
        pa.array([" a", "b ", "c", "PT\u200b-1", "x\x00y", "\ufeffid", "Jose\u0301 "])
    )
    assert counted(counts) == {"trimmed": 3, "zero-width": 2, "control-removed": 1, "nfc": 1}


def test_joiners_stay_where_a_script_needs_them() -> None:
    assert cleaned("می‌خواهم", "क्‍ष", "PT\u200d1") == ["می‌خواهم", "क्‍ष", "PT1"]


def test_a_word_processors_line_break_does_not_glue_words() -> None:
    assert cleaned("a\x0bb") == ["a b"]


def test_ascii_without_outer_space_is_handed_back_as_it_is() -> None:
    array = pa.array(["a", "b c", None, ""])
    assert clean(array)[0] is array


@given(cells)
def test_a_text_is_cleaned_alike_alone_and_among_many_plain_ones(texts: list[str | None]) -> None:
    among, changed = clean(pa.array([*texts, *["plain"] * 300], pa.string()))
    alone, changed_alone = clean(pa.array(texts, pa.string()))
    assert among.to_pylist()[: len(texts)] == alone.to_pylist()
    assert {reason: rows.tolist() for reason, rows in changed.items()} == {
        reason: rows.tolist() for reason, rows in changed_alone.items()
    }


@given(cells)
def test_cleaning_twice_changes_nothing_more(texts: list[str | None]) -> None:
    once, _ = clean(pa.array(texts, pa.string()))
    twice, counts = clean(once)
    assert twice.to_pylist() == once.to_pylist()
    assert counts == {}


@given(cells)
def test_cleaning_takes_out_only_what_nobody_sees(texts: list[str | None]) -> None:
    def visible(text: str | None) -> str | None:
        if text is None:
            return None
        kept = [
            c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c)[0] not in "CZ"
        ]
        return unicodedata.normalize("NFC", "".join(kept))

    array, counts = clean(pa.array(texts, pa.string()))
    assert list(map(visible, array.to_pylist())) == list(map(visible, texts))
    changed = sum(a != b for a, b in zip(texts, array.to_pylist(), strict=True))
    assert changed <= sum(counted(counts).values())


@given(cells, st.integers(0, 20))
def test_text_is_treated_alike_wherever_a_batch_ends(texts: list[str | None], cut: int) -> None:
    array = pa.array(texts, pa.string())
    head, tail = array.slice(0, cut), array.slice(min(cut, len(array)))
    (one, first), (two, second) = clean(head), clean(tail)
    whole, counts = clean(array)
    assert one.to_pylist() + two.to_pylist() == whole.to_pylist()
    assert {
        reason: [*first.get(reason, []), *(len(head) + row for row in second.get(reason, []))]
        for reason in first.keys() | second.keys()
    } == {reason: rows.tolist() for reason, rows in counts.items()}
    together, apart, other = TextEvidence(), TextEvidence(), TextEvidence()
    together.observe(array)
    apart.observe(head)
    other.observe(tail)
    apart.merge(other)
    assert apart.as_dict() == together.as_dict()


@given(st.text(max_size=30))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(cells)
def test_any_text_is_converted_without_an_error(texts: list[str | None]) -> None:
    array = pa.array(texts, pa.string())
    converted = convert_string(array, identifier=True, pattern=r".{0,5}")
    assert len(converted.values) == len(array)
    for rows in (*converted.bad.values(), *converted.marked.values()):
        assert (np.diff(rows) > 0).all()

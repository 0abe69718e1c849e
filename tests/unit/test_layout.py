from __future__ import annotations

import pytest

from pipeline.mapping.layout import (
    changed_delimiter,
    differences,
    label_key,
    labels_fingerprint,
    layout_fingerprint,
    overlap,
    path_fits,
    seen_in,
)
from pipeline.mapping.model import DialectWords, MappedField, Mapping, Match, Seen


def column(**words: object) -> MappedField:
    return MappedField.model_validate({"name": "Wert", "to": "value", **words})


def source(**words: object) -> Mapping:
    return Mapping.model_validate(
        {"contract": "labs", "source": "north", "status": "confirmed", **words}
    )


def test_labels_are_the_same_in_any_order_and_case_and_form() -> None:
    assert labels_fingerprint(["Größe", "ID "]) == labels_fingerprint(["id", "GRÖSSE"])
    assert labels_fingerprint(["José"]) == labels_fingerprint(["Jose\u0301"])
    assert labels_fingerprint(["id", "id"]) != labels_fingerprint(["id"])


def test_labels_without_a_latin_letter_differ() -> None:
    prints = {labels_fingerprint(one) for one in (["患者"], ["血糖"], ["пациент"], ["-"], [""])}

    assert len(prints) == 5
    assert label_key("  Wert   (mg/dl) ") == "wert (mg/dl)"


@pytest.mark.parametrize(
    "other",
    [
        Seen(type="number", decimal="."),
        Seen(type="text", decimal=","),
        Seen(type="number", decimal=",", units={"*": ("mg",)}),
        Seen(type="number", decimal=",", dates={"99.99.9999": "dmy"}),
    ],
)
def test_another_shape_is_another_layout(other: Seen) -> None:
    seen = Seen(type="number", decimal=",")
    first = layout_fingerprint(["Wert"], [("Wert", seen)], ";")

    assert first == layout_fingerprint(["wert"], [("wert ", seen)], ";")
    assert first != layout_fingerprint(["Wert"], [("Wert", other)], ";")
    assert first != layout_fingerprint(["Wert"], [("Wert", seen)], ",")
    assert first != layout_fingerprint(["Wert", "x"], [("Wert", seen)], ";")


def test_the_layout_is_the_same_before_and_after_codes_were_told() -> None:
    before = Seen(type="ucum-unit", units={"?KREA": ("mg/dL",), "glucose": ("mg/dL",)})
    after = Seen(type="ucum-unit", units={"creatinine": ("mg/dL",), "glucose": ("mg/dL",)})

    assert layout_fingerprint(["u"], [("u", before)], ",") == layout_fingerprint(
        ["u"], [("u", after)], ","
    )


def test_shapes_are_counts_and_slips_do_not_count() -> None:
    evidence = {
        "values": 100,
        "shapes": {
            "99.99.9999": {"values": 96, "day-first": 40},
            "99/99/9999": {"values": 4, "month-first": 4},
        },
    }
    assert seen_in("date", evidence, {}).dates == {"99.99.9999": "dmy"}
    assert seen_in("number", {"comma_proof": 3, "point_proof": 1}, {}).decimal == ","
    assert seen_in("number", {"whole_small": 3}, {}).decimal is None
    assert seen_in("number", {}, {"": ("kg",)}).units == {"*": ("kg",)}


def test_every_change_is_told_in_a_sentence() -> None:
    was = column(seen={"decimal": ",", "units": {"glucose": "mg/dL", "*": "kg"},
                       "dates": {"99.99.9999": "dmy"}})  # fmt: skip
    now = Seen(
        decimal=".",
        units={"glucose": ("mmol/L",), "*": ("kg", "g"), "sodium": ("mmol/L",)},
        dates={"99.99.9999": "mdy", "99/99/9999": ""},
    )

    assert differences(was, now) == [
        "`Wert` used a comma until now and uses a point in this file",
        "`Wert` was day-month-year until now and is month-day-year in this file "
        "(dates written 99.99.9999)",
        "`Wert` was written 99.99.9999 until now and is written 99/99/9999 in this file",
        "`Wert` named mg/dL for glucose until now and names mmol/L in this file",
        "`Wert` named kg until now and names g in this file",
    ]


def test_what_somebody_said_counts_where_nothing_was_seen() -> None:
    assert differences(column(decimalChar=","), Seen(decimal="."))
    assert differences(column(format="%d.%m.%Y"), Seen(dates={"99.99.9999": "mdy"}))
    assert not differences(column(format="%d.%m.%Y"), Seen(dates={"99.99.9999": ""}))


def test_less_than_before_is_no_change() -> None:
    was = column(seen={"decimal": ",", "units": {"a": ["mg", "g"]}, "dates": {"9999-99-99": ""}})

    assert differences(was, Seen()) == []
    assert differences(was, Seen(units={"a": ("g",)})) == []
    assert differences(column(), Seen(decimal=",", units={"a": ("g",)})) == []


def test_separators_and_paths_and_overlaps() -> None:
    mapping = source(
        dialect=DialectWords(delimiter=";"),
        match=Match(path="north/*.csv"),
        fields=[{"name": label, "rescue": True} for label in ("a", "b", "c", "d")],
    )

    assert changed_delimiter(mapping, ";") is None
    assert changed_delimiter(mapping, ",") == (
        "The cells were separated by semicolon until now and are separated by comma in this file"
    )
    assert path_fits(mapping, "north/labs.csv")
    assert path_fits(mapping, "")
    assert not path_fits(mapping, "south/labs.csv")
    assert overlap(mapping, ["A", "b", "c", "x"]) == 0.75
    assert overlap(mapping, ["a", "b", "c", "d", "e"]) == 0.8

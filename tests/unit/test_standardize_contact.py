from __future__ import annotations

import random
import re

import numpy as np
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RowCode
from pipeline.standardize.contact import convert_emails, convert_phones, convert_postal_codes_us
from pipeline.standardize.us_states import convert_us_states
from tests.unit.counting import counted

texts = st.lists(st.one_of(st.none(), st.text(max_size=25), st.from_regex(r"[0-9+() .x-]{1,20}")))


@pytest.mark.parametrize(
    "text",
    ["405.901.4744", "(405) 901-4744", "4059014744", "1-405-901-4744", "+1 405 901 4744"],
)
def test_an_assigned_number_becomes_e164(text: str) -> None:
    result = convert_phones(pa.array([text]), "US")
    assert result.values.to_pylist() == ["+14059014744"]
    assert result.marked == {}
    assert counted(result.changed) == {"phone-reformatted": 1}


def test_possible_but_unassigned_numbers_are_kept_and_marked() -> None:
    result = convert_phones(pa.array(["3568246535", "405.901.4744", None]), "US")
    assert result.values.to_pylist() == ["+13568246535", "+14059014744", None]
    assert result.marked[RowCode.PHONE_NOT_VALID].tolist() == [0]
    assert not result.bad


def test_numbers_read_all_at_once_are_judged_as_the_library_judges_each() -> None:
    chance = random.Random(7)
    numbers = [
        f"{area}{exchange:03d}{chance.randrange(10_000):04d}"
        for area in range(200, 1000)
        for exchange in (*chance.sample(range(1000), 3), 520, 555)
    ]
    result = convert_phones(pa.array(numbers), "US")
    unassigned = [
        row
        for row, number in enumerate(numbers)
        if not phonenumbers.is_valid_number(phonenumbers.parse(number, "US"))
    ]

    assert result.values.to_pylist() == [f"+1{number}" for number in numbers]
    assert result.marked[RowCode.PHONE_NOT_VALID].tolist() == unassigned
    assert 0 < len(unassigned) < len(numbers)


def test_every_way_to_write_a_number_is_read_as_the_library_reads_it() -> None:
    ways = ("{}{}{}", "({}) {}-{}", "{}.{}.{}", "+1-{}-{}-{}", "+1 {} {} {}", "1 ({}) {}-{}",
            "+1({}){}{}", "1{}{}{}", "+1{}{}{}", "1.{}.{}.{}", "+1 ({}){}.{}")  # fmt: skip
    chance = random.Random(11)
    texts = [
        way.format(area, exchange, f"{chance.randrange(10_000):04d}")
        for way in ways
        for area in ("202", "340", "405", "787", "876", "911", "999", "123")
        for exchange in ("222", "555", "911", "012")
    ]
    result = convert_phones(pa.array(texts), "US")
    marked = set(result.marked[RowCode.PHONE_NOT_VALID].tolist())
    changed = set(result.changed["phone-reformatted"].tolist())
    for row, text in enumerate(texts):
        number = phonenumbers.parse(text, "US")
        is_valid = phonenumbers.is_valid_number(number)
        whole = phonenumbers.is_possible_number_with_reason(number) == 0
        written = phonenumbers.format_number(number, 0) if is_valid or whole else text
        assert result.values[row].as_py() == written, text
        assert (row in marked) is not is_valid, text
        assert (row in changed) is (written != text), text


@pytest.mark.parametrize(
    "text",
    ["020 7946 0958", "0000000000", "5551234", "911", "call mother", "405-901-4744 or 405-901-4745",
     "405-901-4744 (home)", "4059014744/4059014745", "ask"],
)  # fmt: skip
def test_h148_what_is_no_such_number_is_kept_as_given_and_marked(text: str) -> None:
    result = convert_phones(pa.array([text]), "US")
    assert result.values.to_pylist() == [text]
    assert result.marked[RowCode.PHONE_NOT_VALID].tolist() == [0]
    assert not result.bad


def test_h149_a_number_that_became_a_decimal_is_repaired_and_marked() -> None:
    result = convert_phones(pa.array(["4059014744.0", "405.901.4744"]), "US")
    assert result.values.to_pylist() == ["+14059014744"] * 2
    assert result.marked == {RowCode.PHONE_REPAIRED: [0]}
    assert counted(result.changed) == {"float-repaired": 1, "phone-reformatted": 1}


def test_the_region_decides_and_without_one_only_a_plus_does() -> None:
    values = pa.array(["020 7946 0958", "+44 20 7946 0958"])
    assert convert_phones(values, "GB").values.to_pylist() == ["+442079460958"] * 2
    result = convert_phones(values)
    assert result.values.to_pylist() == ["020 7946 0958", "+442079460958"]
    assert result.marked[RowCode.PHONE_NOT_VALID].tolist() == [0]


def test_an_extension_is_not_lost() -> None:
    result = convert_phones(pa.array(["405-901-4744 x12", "+14059014744;ext=12"]), "US")
    assert result.values.to_pylist() == ["+14059014744;ext=12"] * 2


def test_a_number_in_e164_stays_and_counts_as_unchanged() -> None:
    assert counted(convert_phones(pa.array(["+14059014744"]), "US").changed) == {}


@given(texts, st.sampled_from(["US", "DE", None]))
def test_no_text_raises_and_every_phone_is_kept(values: list[str | None], region: str) -> None:
    result = convert_phones(pa.array(values, pa.string()), region)
    assert [value is None for value in values] == result.values.is_null().to_pylist()
    again = convert_phones(result.values, region)
    assert again.values.to_pylist() == result.values.to_pylist()


def test_only_the_domain_of_an_address_is_lower_cased() -> None:
    result = convert_emails(pa.array(["Jane.Doe@Example.COM", "a@b.org", None]))
    assert result.values.to_pylist() == ["Jane.Doe@example.com", "a@b.org", None]
    assert counted(result.changed) == {"domain-lower-cased": 1}


@pytest.mark.parametrize(
    "text",
    ["jane", "jane@", "@example.com", "jane@example", "jane doe@example.com", "a@b@c.org",
     "jane@exa mple.com", "jane@-example.com", ".jane@example.com", "jane..doe@example.com",
     "jane@example.com, joe@example.com", f"{'a' * 65}@example.com", "jane@1.2.3.4",
     f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.{'f' * 20}.org"],
)  # fmt: skip
def test_what_is_not_one_plain_address_is_refused(text: str) -> None:
    result = convert_emails(pa.array([text, "jane@example.com"]))
    assert result.bad[RowCode.PATTERN].tolist() == [0]
    assert result.values.to_pylist() == [None, "jane@example.com"]


def test_what_can_be_a_number_and_what_cannot_are_told_apart() -> None:
    given = ["405-901-4744", "356-824-6535", "020 7946 0958", "none yet"]
    result = convert_phones(pa.array(given), "US")
    assert result.values.to_pylist() == ["+14059014744", "+13568246535", *given[2:]]
    assert result.marked[RowCode.PHONE_NOT_VALID].tolist() == [1, 2, 3]
    assert result.marked[RowCode.PHONE_NOT_POSSIBLE].tolist() == [2, 3]


def test_a_slash_behind_the_area_is_one_number_and_between_two_is_none() -> None:
    two = "0170/1234567 / 0170/7654321"
    result = convert_phones(pa.array(["0170/1234567", "089 / 636-48018", two]), "DE")
    assert result.values.to_pylist() == ["+491701234567", "+498963648018", two]


@pytest.mark.parametrize("text", ["02134 1234", "02134 - 1234", "02134\u20131234"])
def test_nine_digits_are_one_postal_code_whatever_stands_between(text: str) -> None:
    assert convert_postal_codes_us(pa.array([text])).values.to_pylist() == ["02134-1234"]


def test_c38_a_postal_code_keeps_its_zeros() -> None:
    values = pa.array(["02134", "02134-0001", "021340001", "02134.0", None])
    result = convert_postal_codes_us(values)
    assert result.values.to_pylist() == ["02134", "02134-0001", "02134-0001", "02134", None]
    assert counted(result.changed) == {"postal-code-reformatted": 2}
    assert not result.bad


@pytest.mark.parametrize("text", ["2134", "2134.0", "K1A 0B1", "123456", "02134-", "０２１３４"])
def test_a_postal_code_is_not_made_up(text: str) -> None:
    assert convert_postal_codes_us(pa.array([text])).bad[RowCode.PATTERN].tolist() == [0]


def test_states_are_found_by_name_and_by_code() -> None:
    values = pa.array(["ny", "New York", "N.Y.", "Washington, D.C.", "Puerto  Rico", "AE", None])
    result = convert_us_states(values)
    assert result.values.to_pylist() == ["NY", "NY", "NY", "DC", "PR", "AE", None]
    assert not result.bad


@pytest.mark.parametrize("text", ["Ontario", "XX", "New", "West", "Carolina"])
def test_no_other_place_becomes_a_state(text: str) -> None:
    assert convert_us_states(pa.array([text])).bad[RowCode.CODE_UNKNOWN].tolist() == [0]


@given(texts)
def test_no_text_raises_in_any_kind(values: list[str | None]) -> None:
    column = pa.array(values, pa.string())
    for convert in (convert_emails, convert_postal_codes_us, convert_us_states):
        assert len(convert(column).values) == len(values)


POSTAL = st.one_of(
    st.none(),
    st.from_regex(r"[0-9]{5}( ?[-–‐] ?|  ?|)[0-9]{0,4}(\.0{1,2})?", fullmatch=True),
    st.text("0123456789-. ", max_size=11),
)


def postal_code_of(text: str) -> str | None:
    """One postal code, read alone."""
    hyphened = re.sub(r"^([0-9]{5})(?: ?[-‐‑‒–] ?| )?([0-9]{4})\Z", r"\1-\2", text)
    repaired = re.sub(r"^([0-9]{5})\.0+\Z", r"\1", hyphened)
    return repaired if re.fullmatch(r"[0-9]{5}(?:-[0-9]{4})?", repaired) else None


@given(st.lists(POSTAL, max_size=20))
def test_postal_codes_of_a_column_are_read_as_each_alone(column: list[str | None]) -> None:
    result = convert_postal_codes_us(pa.array(column, pa.string()))
    read = [text if text is None else postal_code_of(text) for text in column]
    assert result.values.to_pylist() == read
    pairs = list(enumerate(zip(column, read, strict=True)))
    refused = [row for row, (text, code) in pairs if text is not None and code is None]
    changed = [row for row, (text, code) in pairs if code is not None and code != text]
    assert result.bad.get(RowCode.PATTERN, np.array([])).tolist() == refused
    assert result.changed.get("postal-code-reformatted", np.array([])).tolist() == changed


MAILS = st.one_of(
    st.none(),
    st.from_regex(r"[a-zA-Z.]{1,70}@[a-zA-Z]{1,4}\.[A-Z]?[a-z]{1,200}", fullmatch=True),
    st.text("aA@.", max_size=9),
)


@given(st.lists(MAILS, max_size=12))
def test_addresses_of_a_column_are_read_as_each_alone(column: list[str | None]) -> None:
    result = convert_emails(pa.array(column, pa.string()))
    alone = [convert_emails(pa.array([text], pa.string())).values[0].as_py() for text in column]
    assert result.values.to_pylist() == alone
    for text, address in zip(column, alone, strict=True):
        if address is not None and text is not None:
            local, _, domain = text.partition("@")
            assert address == f"{local}@{domain.lower()}"
            assert len(local) <= 64
            assert len(address) <= 254

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.pages.render import counted, share, shown
from tests.unit.harmonizing import Desk

EHR = Path(__file__).resolve().parents[1] / "data" / "ehr"
HEADER = "patient_id,last name,first name,dob,email"
GOOD = [f"P{number:03d},Lee,Ann,{13 + number % 15}/02/1980," for number in range(1, 101)]
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt;&amp;",
    "\u202egnp.exe",
]
VOID = {"meta", "link", "img", "br", "hr", "rect"}


class Page(HTMLParser):
    """What a browser would make of a page: its tags, attributes and words."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(content.decode())
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.words += data


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def patients(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *GOOD, *rows]) + "\n"


def page(desk: Desk, content: str | bytes) -> Page:
    return Page((desk.harmonize(content).staging / "report.html").read_bytes())


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def test_the_headline_is_the_verdict(desk: Desk) -> None:
    assert "All 100 rows were delivered" in page(desk, patients()).words
    some = page(desk, patients("P200,Lee,Ann,31/02/1980,")).words
    assert "100 rows delivered, 1 was kept out" in some
    assert "101 rows read = 100 delivered + 1 kept out" in some


def test_a_refused_file_has_its_page_too(desk: Desk) -> None:
    rows = [f"P{number},Lee,Ann,31/02/1980," for number in range(200, 260)]
    _, staging = desk.refuse(patients(*rows))
    words = Page((staging / "report.html").read_bytes()).words

    assert "This file was not delivered" in words
    assert "60 of 160 rows were rejected" in words


def test_decisions_stand_there_with_their_reasons(desk: Desk) -> None:
    words = page(desk, patients()).words

    assert "dates written 99/99/9999 are day-month-year" in words
    assert "last name" in words
    assert "family_name" in words


def test_reasons_come_with_examples_from_the_file(desk: Desk) -> None:
    words = page(desk, patients("P200,Lee,Ann,13/02/1980,ann(at)x.org")).words

    assert "Why rows were kept out" in words
    assert "line 102" in words


def test_values_of_restricted_fields_are_not_shown(desk: Desk) -> None:
    made = desk.harmonize(patients("P200,Canary,Ann,31/02/1980,ann(at)canary"))
    content = (made.staging / "report.html").read_text()

    assert "anary" not in content
    assert "31/02/1980" not in content


def test_hostile_cells_and_headings_are_only_text(desk: Desk) -> None:
    desk.contract(
        "name: table\nfields:\n  - {name: id, type: string}\n  - {name: n, type: number}\n"
    )
    rows = "".join(f"{number},{number}\n" for number in range(100))
    bad = "".join(f"x,{quoted(cell)}\n" for cell in HOSTILE[:3])
    heading = quoted(HOSTILE[0])
    delivered = desk.harmonize(
        f"id,n,{heading}\n{rows}{bad}".replace("\n", ",\n").replace(f"{heading},", heading)
    )
    made = Page((delivered.staging / "report.html").read_bytes())

    assert delivered.result.counts.rejected == 3
    assert not {"script", "img", "iframe", "object", "form", "a onload"} & set(made.tags)
    assert not [name for name, _ in made.attributes if name.startswith("on")]
    for cell in HOSTILE[:3]:
        assert cell in made.words


@pytest.mark.parametrize("text", HOSTILE)
def test_a_shown_value_hides_nothing(text: str) -> None:
    assert all(character.isprintable() for character in shown(text))
    assert shown("x" * 500).endswith("…")


def test_a_page_needs_nothing_but_itself(desk: Desk) -> None:
    delivery = desk.harmonize(patients()).staging
    content = (delivery / "report.html").read_text()
    made = Page(content.encode())
    links = {value for name, value in made.attributes if name in ("href", "src", "action")}

    assert links == {one.name for one in delivery.iterdir()} - {"report.html"}
    assert "http" not in content.replace("http-equiv", "")
    assert "script" not in made.tags


@pytest.mark.parametrize("name", ["patients", "lab_results", "medications", "vitals"])
def test_every_column_has_a_chart_with_words_for_who_cannot_see_it(desk: Desk, name: str) -> None:
    made = page(desk, (EHR / f"{name}.csv").read_bytes())
    labels = [value for name, value in made.attributes if name == "aria-label"]

    assert made.tags.count("svg") == len([one for one in labels if ":" in one or "," in one])
    assert made.tags.count("svg") > 5


def test_the_same_delivery_gives_the_same_page(desk: Desk) -> None:
    first, second = (desk.harmonize(patients()).staging / "report.html" for _ in range(2))
    assert first.read_bytes() == second.read_bytes()


def test_numbers_are_said_as_people_say_them() -> None:
    assert [counted(number, "row") for number in (0, 1, 12_345)] == [
        "no rows",
        "1 row",
        "12\N{NARROW NO-BREAK SPACE}345 rows",
    ]
    assert share(1, 100_000) == "< 0.1 %"
    assert share(99_999, 100_000) == "> 99.9 %"
    assert (share(0, 5), share(5, 5), share(1, 3)) == ("0 %", "100 %", "33 %")

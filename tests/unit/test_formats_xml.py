"""XML: the repeating element, its attributes and children by path; nothing from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import FileCode
from pipeline.messages import Limits
from tests.unit.reading import Reader


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_the_repeating_element_is_the_record(reader: Reader) -> None:
    found = reader.read(
        "<export date='2025-01-01'><head><by>x</by></head><list>\n"
        "<p id='1'><name>Zoë</name><note/></p>\n<p id='2'><name>A&amp;B &#233;</name></p>"
        "</list></export>"
    )

    assert found.header == ("@id", "name", "note")
    assert found.rows == [("1", "Zoë", ""), ("2", "A&B é", "")]
    assert found.places == ["/export/list/p[1]/@id", "/export/list/p[2]/@id"]
    assert found.lines == [2, 3]
    assert found.raws[1] == "<p id='2'><name>A&amp;B &#233;</name></p>"


def test_a_path_can_be_set(reader: Reader) -> None:
    content = "<a><b><x>1</x></b><b><x>2</x></b><c><y>9</y></c><c><y>8</y></c><c><y>7</y></c></a>"

    assert reader.read(content).header == ("y",)
    assert reader.read(content, table="/a/b").rows == [("1",), ("2",)]


def test_one_record_is_found_by_its_values(reader: Reader) -> None:
    found = reader.read("<export><patient><id>1</id><name>A</name></patient></export>")
    assert (found.header, found.rows) == (("id", "name"), [("1", "A")])


def test_namespaces_do_not_change_names(reader: Reader) -> None:
    found = reader.read(
        "<e xmlns='urn:a' xmlns:b='urn:b' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
        "xsi:schemaLocation='x y'><b:row b:k='1'><b:v>2</b:v><b:w xsi:nil='true'/></b:row>"
        "<b:row b:k='3'><b:v>4</b:v></b:row></e>"
    )
    assert (found.header, found.rows) == (("@k", "v", "w"), [("1", "2", ""), ("3", "4", "")])


def test_attributes_of_a_value_stand_beside_it(reader: Reader) -> None:
    found = reader.read("<e><r><w unit='kg'>80</w></r><r><w>79</w></r></e>")
    assert (found.header, found.rows) == (("w", "w.@unit"), [("80", "kg"), ("79", "")])


def test_repeated_children_are_kept_by_path(reader: Reader) -> None:
    found = reader.read("<e><r><t>1</t><t>2</t></r><r><t>3</t></r><r/></e>")
    assert found.header == ("t", "t[2]")
    assert found.rows == [("1", "2"), ("3", ""), ("", "")]


def test_repeated_elements_within_a_record_are_a_table_of_their_own(reader: Reader) -> None:
    content = (
        "<e><p><id>P1</id><lab><t>Na</t><v u='x'>1</v></lab><lab><t>K</t><v>2</v></lab></p>"
        "<p><id>P2</id><lab><t>Na</t><v>3</v></lab></p></e>"
    )
    inner = reader.read(content, table="/e/p/lab")

    assert inner.header == ("id", "t", "v", "v.@u")
    assert inner.rows == [("P1", "Na", "1", "x"), ("P1", "K", "2", ""), ("P2", "Na", "3", "")]
    assert inner.places[1] == "/e/p[1]/lab[2]/id"


def test_nested_elements_and_mixed_text_are_kept(reader: Reader) -> None:
    found = reader.read(
        "<e><r><n><f>A</f><l>B</l></n>free</r><r><n><f>C</f></n><![CDATA[<x>]]></r></e>"
    )
    assert found.header == ("n.f", "n.l", "#text")
    assert found.rows == [("A", "B", "free"), ("C", "", "<x>")]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-15", "windows-1252"])
def test_declared_encodings_are_read(reader: Reader, codec: str) -> None:
    declared = "utf-8" if codec == "utf-8-sig" else codec
    text = f"<?xml version='1.0' encoding='{declared}'?><e><r><n>é€</n></r><r><n>ü</n></r></e>"
    assert reader.read(text.encode(codec)).column("n") == ["é€", "ü"]


def test_an_undeclared_encoding_is_found_out(reader: Reader) -> None:
    content = "<e><r><n>José</n></r><r><n>Müller</n></r></e>".encode("cp1252")
    assert reader.read(content).column("n") == ["José", "Müller"]


BOMB = (
    "<?xml version='1.0'?><!DOCTYPE e [<!ENTITY a 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY a{n} '{'&a' + (str(n - 1) if n else '') + ';'}'>" for n in range(9))
    + "]><e><r><n>&a8;</n></r><r/></e>"
)
OUTSIDE = (
    "<?xml version='1.0'?><!DOCTYPE e [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
    "<e><r><n>&x;</n></r><r/></e>"
)
PARAMETER = (
    "<!DOCTYPE e [<!ENTITY % x SYSTEM 'http://127.0.0.1:1/x.dtd'> %x;]><e><r><n>1</n></r><r/></e>"
)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (BOMB, FileCode.UNSUPPORTED),
        (OUTSIDE, FileCode.UNSUPPORTED),
        (PARAMETER, FileCode.UNSUPPORTED),
        ("<e><r><n>1</n></r><r>", FileCode.TRUNCATED),
        ("<e><r><n>1</n></r><r", FileCode.TRUNCATED),
        ("<e><r><n>1</m></r></e>", FileCode.DAMAGED),
        ("<e><r><n>&what;</n></r></e>", FileCode.DAMAGED),
        ("<a>" * 100_000, FileCode.LIMIT_EXCEEDED),
        ("<e><r/>" + "<r>" * 100_000, FileCode.LIMIT_EXCEEDED),
        ("<e></e>", FileCode.EMPTY),
    ],
    ids=[
        *("entity bomb", "external entity", "external declarations", "cut", "cut in a tag"),
        *("tags do not match", "unknown entity", "deep", "deep record", "empty"),
    ],
)
def test_what_is_dangerous_or_broken_is_refused(
    reader: Reader, content: str, code: FileCode
) -> None:
    error = reader.refusal(content)
    assert error.code is code
    assert "passwd" not in error.note


def test_a_document_type_that_declares_nothing_is_no_matter(reader: Reader) -> None:
    content = '<!DOCTYPE e SYSTEM "e.dtd"><e><r><n>1</n></r><r><n>2</n></r></e>'
    assert reader.read(content).rows == [("1",), ("2",)]


def test_a_record_longer_than_the_limit_is_refused(reader: Reader) -> None:
    content = "<e><r><n>1</n></r><r><n>" + "x" * 2_000_000 + "</n></r></e>"
    assert reader.code(content, Limits(max_record_bytes=100_000)) is FileCode.LIMIT_EXCEEDED


def test_names_of_different_namespaces_are_different_columns(reader: Reader) -> None:
    found = reader.read(
        '<a:r xmlns:a="u1" xmlns:b="u2"><a:p b:k="7" k="8"><a:id>1</a:id><b:id>9</b:id></a:p>'
        "<a:p><b:id>2</b:id></a:p></a:r>"
    )
    assert found.header == ("@b:k", "@k", "id", "b:id")
    assert found.rows == [("7", "8", "1", "9"), ("", "", "", "2")]


def test_prefixes_that_stand_for_one_namespace_confuse_nothing(reader: Reader) -> None:
    found = reader.read(
        '<r><p><a:id xmlns:a="u1">1</a:id></p><p><b:id xmlns:b="u1">2</b:id></p></r>'
    )
    assert (found.header, found.rows) == (("id",), [("1",), ("2",)])


@pytest.mark.parametrize(
    "record",
    ["<p><id>a&nbsp;b</id></p>", '<p k="a&nbsp;b"/>'],
    ids=["in text", "in an attribute"],
)
def test_entities_of_a_document_elsewhere_are_refused_and_never_left_out(
    reader: Reader, record: str
) -> None:
    document = '<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x.dtd"><r>{}<p><id>2</id></p></r>'
    assert reader.code(document.format(record)) is FileCode.UNSUPPORTED
    assert reader.read(document.format("<p><id>a&amp;b&#65;</id></p>")).rows[0] == ("a&bA",)


@pytest.mark.parametrize("name", ["rot13", "base64", "undefined", "idna", "nonsense", "zlib"])
def test_a_declared_encoding_that_is_none_is_refused(reader: Reader, name: str) -> None:
    code = reader.code(f'<?xml version="1.0" encoding="{name}"?><r><p a="1"/><p a="2"/></r>')
    assert code is FileCode.ENCODING


def test_an_encoding_that_is_not_the_declared_one_is_said_or_survived(reader: Reader) -> None:
    document = '<?xml version="1.0" encoding="{}"?><r><p><id>é</id></p><p><id>2</id></p></r>'
    assert reader.code(document.format("UTF-8").encode("latin-1")) is FileCode.ENCODING
    assert reader.read(document.format("utf-16").encode()).rows[0] == ("é",)


def test_a_document_that_says_latin_1_is_read_as_what_it_is(reader: Reader) -> None:
    document = '<?xml version="1.0" encoding="ISO-8859-1"?><r><p><id>5 µg, é {}</id></p><p/></r>'
    euro = document.format("€")

    assert reader.read(euro.encode("cp1252")).rows[0] == ("5 µg, é €",)
    assert reader.read(euro.encode("utf-8")).rows[0] == ("5 µg, é €",)
    assert reader.read(document.format("").encode("latin-1")).rows[0] == ("5 µg, é ",)


def test_blank_lines_before_and_padding_behind_a_document_are_no_matter(reader: Reader) -> None:
    document = '<?xml version="1.0"?>\n<r>\n<p><id>é</id></p><p><id>2</id></p></r>'
    found = reader.read(f"\n \n{document}\n\0\0\x1a")

    assert (found.column("id"), found.lines) == (["é", "2"], [5, 5])


def test_values_that_stand_in_no_record_are_told(reader: Reader) -> None:
    found = reader.read(
        '<e made="2024"><n>2</n><p><id>1</id></p><p><id>2</id></p><q><id>3</id></q></e>'
    )
    assert found.column("id") == ["1", "2"]
    assert "values beside the records are not read: /e/@made, /e/n, /e/q/id" in found.told


def test_a_document_of_many_kinds_of_records_lists_them_all(reader: Reader) -> None:
    kinds = "".join(f"<a{n}><x>1</x></a{n}><a{n}><x>2</x></a{n}>" for n in range(4_000))
    found = reader.read(f"<d>{kinds}<b><c><x>1</x></c><c><x>2</x></c></b></d>")

    assert (found.header, found.column("x")) == (("x",), ["1", "2"])
    assert len(found.tables) == 4_001

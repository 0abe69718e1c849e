"""The encoding is proved by the whole file, or the file is refused."""

from __future__ import annotations

import codecs
import io
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ContentError, FileCode
from pipeline.formats import open_table
from pipeline.formats.encoding import _scan
from pipeline.formats.utf8 import whole_utf8
from pipeline.messages import Limits

TEXT = "id,name,temp\n1,José Müller,37°C 5 µg/L\n2,O’Brien – 5 €,½ £\n3,Ångström,±2\n"


def cells(path: Path, content: bytes) -> list[list[str]]:
    path.write_bytes(content)
    reader = open_table(path, Limits())
    return [column.to_pylist() for batch in reader.batches() for column in batch.columns]


def refusal(path: Path, content: bytes) -> ContentError:
    with pytest.raises(ContentError) as caught:
        cells(path, content)
    return caught.value


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-32"])
def test_every_proved_encoding_gives_the_same_cells(tmp_path: Path, codec: str) -> None:
    found = cells(tmp_path / "t", TEXT.encode(codec))

    assert found[1] == ["José Müller", "O’Brien – 5 €", "Ångström"]
    assert found[2] == ["37°C 5 µg/L", "½ £", "±2"]


@pytest.mark.parametrize(
    ("mark", "codec"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]
)
def test_both_byte_orders_are_read(tmp_path: Path, mark: bytes, codec: str) -> None:
    path = tmp_path / "t"
    assert cells(path, mark + TEXT.encode(codec))[0] == ["1", "2", "3"]
    assert open_table(path, Limits()).describe()["encoding"] == codec


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"\xef\xbb\xbfpatient_id,dob\n1,2020-01-01\n")
    assert open_table(path, Limits()).header == ("patient_id", "dob")


def test_the_last_byte_of_a_large_file_decides_too(tmp_path: Path) -> None:
    content = b"id,name\n" + b"1,x\n" * 700_000 + b"2,Jos\xe9\n"
    path = tmp_path / "t"
    path.write_bytes(content)
    reader = open_table(path, Limits())

    assert reader.describe()["encoding"] == "cp1252"
    assert any("cp1252" in sentence for sentence in reader.describe()["evidence"])
    assert list(reader.batches())[-1].columns[1][-1].as_py() == "José"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("id,name\n1,Michał Łódź\n2,Gdańsk\n", "cp1250"),
        ("id,name\n1,Москва\n2,Иван\n", "cp1251"),
        ("id,name\n1,Αθήνα\n", "cp1253"),
        ("id,name\n1,José Müller\n2,37°C\n", "cp850"),
        ("id,temp\n1,37°C\n2,36°C\n", "cp437"),
        ("id,name\n1,José\n2,Müller\n", "mac_roman"),
        ("id,name\n1,東京\n", "shift_jis"),
        ("id,name\n1,北京市\n", "gbk"),
    ],
)
def test_text_that_is_not_western_is_refused(tmp_path: Path, text: str, codec: str) -> None:
    assert refusal(tmp_path / "t", text.encode(codec)).code is FileCode.ENCODING


def test_two_encodings_in_one_file_are_refused(tmp_path: Path) -> None:
    content = "id,name\n1,José\n2,Zoë\n".encode() + "3,Müller\n".encode("cp1252")
    assert refusal(tmp_path / "t", content).code is FileCode.ENCODING


def test_utf16_without_its_mark_is_refused(tmp_path: Path) -> None:
    for codec in ("utf-16-le", "utf-16-be"):
        error = refusal(tmp_path / "t", "id,name\n1,Ann\n".encode(codec))
        assert error.code is FileCode.ENCODING
        assert "UTF-16" in error.note


def test_a_file_cut_within_a_character_is_truncated(tmp_path: Path) -> None:
    whole = "id,name\n1,Zoë\n2,José".encode()
    assert refusal(tmp_path / "t", whole[:-1]).code is FileCode.TRUNCATED
    assert refusal(tmp_path / "t", TEXT.encode("utf-16")[:-1]).code is FileCode.TRUNCATED


def test_a_reserved_but_never_written_file_is_truncated(tmp_path: Path) -> None:
    assert refusal(tmp_path / "t", b"\0" * 10_000).code is FileCode.TRUNCATED


def _zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (_zip("word/document.xml"), "Word"),
        (_zip("labs.csv"), "ZIP"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "Office"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"MSH|^~\\&|LAB|X\rPID|1\r", "HL7"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "PNG"),
        (bytes(range(256)) * 20, "binary"),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path: Path, content: bytes, seen: str) -> None:
    error = refusal(tmp_path / "labs.csv", content)

    assert error.code is FileCode.UNSUPPORTED
    assert seen in error.note


NAMES = {
    "cp1250": ["Łódź", "Kraków", "Gdańsk", "Żółkiewska", "Święcicki", "Błażej", "Jędrzejów", "Pąk"],
    "iso-8859-2": ["Ústí", "Šťastný", "Dvořák", "Příbram", "Žďár", "Křížová", "Třeboň", "Plzeň ň"],
    "cp1251": ["Москва", "Иванов", "Петров", "Казань", "Наталья", "Юлия", "Самара", "Омск"],
    "koi8-r": ["Москва", "Иванов", "Петров", "Казань", "Наталья", "Юлия", "Самара", "Омск"],
    "cp866": ["Москва", "Иванов", "Петров", "Казань", "Наталья", "Юлия", "Самара", "Омск"],
    "cp850": ["Müller", "Größe", "Straße", "Köln", "Übach", "Jäger", "Schön", "Fußball"],
    "mac-roman": ["Müller", "Größe", "Straße", "Köln", "Übach", "Jäger", "Schön", "Fußball"],
    "cp1253": ["Αθήνα", "Πάτρα", "Γιώργος", "Μαρία", "Νίκος", "Ελένη", "Βόλος", "Κρήτη"],
    "cp932": ["東京都", "テスト", "名前です", "患者", "データ", "山田太郎", "大阪の", "すずき"],
    "gb18030": ["北京市", "上海", "患者编号", "检验结果", "张伟", "李娜", "单位", "姓名"],
    "cp949": ["서울", "부산", "환자", "번호", "김철수", "이름", "주소", "검사"],
    "cp950": ["台北市", "姓名", "病患", "編號", "檢驗", "結果", "高雄", "陳小明"],
}


@pytest.mark.parametrize("codec", NAMES)
def test_a_legacy_code_page_is_read_when_much_of_the_text_speaks_for_it(
    tmp_path: Path, codec: str
) -> None:
    lines = ["id,name,count", *(f"{at},{name},{at * 7}" for at, name in enumerate(NAMES[codec]))]
    content = "".join(line + "\n" for line in lines * 2).encode(codec)

    assert cells(tmp_path / "t", content)[1][:8] == NAMES[codec]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wide_text_without_its_mark_is_read_when_there_is_enough(
    tmp_path: Path, codec: str
) -> None:
    content = "id,name\n" + "".join(f"{at},Zoë {at}\n" for at in range(40))
    assert cells(tmp_path / "t", content.encode(codec))[1][39] == "Zoë 39"


@given(
    st.lists(
        st.binary(max_size=4)
        | st.text(max_size=4).map(str.encode)
        | st.sampled_from(
            [b"\xed\xa0\x80", b"\xed\xa0", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"]
        )
    ).map(b"".join)
)
def test_utf8_is_told_without_decoding_as_by_decoding(data: bytes) -> None:
    whole = whole_utf8(data)
    data[:whole].decode("utf-8", errors="strict")
    assert not whole or len(data) - whole < 4
    broken = [at for at in range(len(data) + 1) if not _begins_utf8(data[:at])]
    assert whole == len(data) - _unfinished(data) if not broken else whole < broken[0]


def _begins_utf8(data: bytes) -> bool:
    with suppress(UnicodeDecodeError):
        codecs.getincrementaldecoder("utf-8")("strict").decode(data)
        return True
    return False


def _unfinished(data: bytes) -> int:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    decoder.decode(data)
    return len(decoder.getstate()[0])


@pytest.mark.parametrize("bad", [b"\xed\xa0", b"\xe2\x28\xa1", b"\xff", b"\xc3"])
def test_the_place_of_a_byte_that_disobeys_is_told_wherever_pieces_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes
) -> None:
    start = "a,b\n1,é\n2,日本\n".encode()
    notes = set()
    for piece in range(1, 12):
        monkeypatch.setattr("pipeline.formats.encoding._SCAN_BYTES", piece)
        scan = _scan(io.BytesIO(start + bad), "utf-8", 0, len(start + bad))
        notes.add((scan.failed_at, scan.at_end, scan.multibyte_seen))
    assert {at for at, _, _ in notes} <= {len(start), len(start) + 1, len(start) + 2}
    assert all(seen for _, _, seen in notes)
    assert len({at_end for _, at_end, _ in notes}) == 1

"""What is damaged: a small file of every format, and each part of those that are containers."""

from __future__ import annotations

import io
import json
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import openpyxl
from openpyxl.styles import NamedStyle

from pipeline.formats.ole import MAGIC
from tests.fuzz.damage import (
    AS_BYTES,
    AS_MARKUP,
    AS_WORDS,
    Damage,
    as_binary_records,
    as_old_records,
    cut_and_put,
    flip_bits,
    other_number,
    several,
    tar_heads,
    zip_heads,
)
from tests.unit.binarybooks import as_xls, as_xlsb, compound
from tests.unit.opendocument import KIND, SPACES, cell, content, ods, row, words
from tests.unit.tables import FORMATS, PACKED, as_zip, saved

HEADER = ["id", "name", "v"]
ROWS = [["1", "Zoë", "2.50"], ["2", 'B"o,b', ""], ["3", "x\ny", "1e5"]]
NUMBERS: list[list[Any]] = [["x", (123.0, "00000"), True], ["y", (45000.5, "d/m/yy h:mm"), -2.5]]
NUMBERS += [["z", (0.5, "[h]:mm"), 1e22], ["", 12.0, "end"]]
_OLE_WAYS = (other_number, other_number, flip_bits, cut_and_put)
Target = Callable[[Random], bytes]
"""Makes a damaged file."""


def _workbook() -> bytes:
    """Merged cells, dates, formulas, errors, rich text, a hidden sheet and a cover page."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Vitals", None, None, "at"])
    sheet.merge_cells("A1:B1")
    sheet.append(["BP", "P", "note", "day"])
    for number in range(6):
        sheet.append([number, number / 7, f"n{number}", 45000 + number])
        sheet.cell(number + 3, 4).number_format = "yyyy-mm-dd"
        sheet.cell(number + 3, 1).number_format = "00000"
    sheet["C3"] = "=1+1"
    sheet["C4"] = "#N/A"
    sheet.merge_cells("C5:C6")
    book.add_named_style(NamedStyle(name="own", number_format='0.0" mg"'))
    hidden = book.create_sheet("hidden")
    hidden.append(["id", "v"])
    hidden.append([1, 2])
    hidden.sheet_state = "hidden"
    book.create_sheet("cover")["B2"] = "About"
    return saved(book)


def _strings() -> bytes:
    """A workbook with shared texts, rich ones and reading aids among them, and one in its cell."""
    with zipfile.ZipFile(io.BytesIO(_workbook())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet, relations = parts["xl/worksheets/sheet1.xml"], parts["xl/_rels/workbook.xml.rels"]
    found = re.findall(rb't="inlineStr"><is>(.*?)</is>', sheet)
    for number, text in enumerate(found[:-1]):
        before = b't="inlineStr"><is>' + text + b"</is>"
        sheet = sheet.replace(before, b't="s"><v>%d</v>' % (number + 2), 1)
    rich = b"<si><r><t>ri</t></r><r><rPr><b/></rPr><t>ch_x000D_</t></r><rPh><t>no</t></rPh></si>"
    texts = rich * 2 + b"".join(b"<si>" + text + b"</si>" for text in found)
    kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    told = b'<Relationship Id="t" Type="' + kind + b'" Target="sharedStrings.xml"/></Relationships>'
    parts["xl/sharedStrings.xml"] = b"<sst>" + texts + b"</sst>"
    parts["xl/worksheets/sheet1.xml"] = sheet
    parts["xl/_rels/workbook.xml.rels"] = relations.replace(b"</Relationships>", told)
    return as_zip(parts)


def _open_document() -> str:
    return content(
        row(*map(words, HEADER))
        + row(words("x"), cell("float", "123", "N1"), cell("time", "PT26H30M00S", "T2"))
        + row(words("y", ' table:number-rows-spanned="2"'), cell("date", "2025-03-04", "D1"))
        + row(words("z"), cell("percentage", "0.5", "N3"), more=' table:number-rows-repeated="3"')
        + row(words("w", ' table:number-columns-repeated="2"'), cell("currency", "-2.5", "N4"))
    )


def _flat() -> bytes:
    whole = _open_document().replace("office:document-content", "office:document")
    return whole.replace(SPACES, f'{SPACES} office:mimetype="{KIND}"', 1).encode()


def _tar() -> bytes:
    """Names too long for a head, in both ways, and a few files."""
    out = io.BytesIO()
    for style in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(fileobj=out, mode="w", format=style) as archive:
            for name, text in {
                "a.csv": FORMATS["csv"],
                "ü" * 90 + ".json": FORMATS["json"],
            }.items():
                info = tarfile.TarInfo(name)
                data = text(HEADER, ROWS)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        if style == tarfile.GNU_FORMAT:  # the other one follows where this one would end
            out.seek(archive.offset)
    return out.getvalue()


def _tree_json() -> bytes:
    people: list[dict[str, Any]] = [
        {"id": 1, "name": {"first": "Zoë", "last": "B"}, "phone": ["1", "2"], "labs": [{"v": 1.5}]},
        {"id": 2, "name": None, "phone": [], "labs": [{"v": 2, "u": "mg"}, {"v": -1e5}]},
    ]
    return json.dumps(
        {"meta": {"columns": ["a", "b"]}, "rows": [[1, 2], [3, 4]], "p": people}
    ).encode()


def _tree_xml() -> bytes:
    return (
        '<?xml version="1.0"?><!DOCTYPE d><d xmlns="u:1" xmlns:b="u:2"><!-- c -->'
        '<p id="1" b:id="7"><n>Zoë</n><tel>1</tel><tel k="w">2</tel><lab><v>1</v></lab></p>'
        '<p id="2"><n><![CDATA[a<b]]></n><b:n>x</b:n><lab><v u="mg">2</v></lab>'
        "<lab><v>3</v></lab></p><?pi x?></d>"
    ).encode()


def _page() -> bytes:
    return (
        b'<html><meta charset=utf-8><table><tr><th colspan=2>Vitals<th rowspan="2">at</tr>'
        b'<tr><th>BP<th>P</tr><tr><td>1<td>2<td x:num="1.2345">1.2</tr><tr><td rowspan=3>&eacute;'
        b"<td><table><tr><td>in</td></tr></table><td>3</tr><tr><td>4<br>5<td>6</tr></table>"
        b"<![if !supportMisalignedColumns]><script>x<y</script><!-- c --></html>"
    )


def _parts(whole: bytes, ways: dict[str, Damage]) -> Target:
    """Damage in one or two parts of a container, whose other parts are as they were."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    unknown = set(ways) - set(parts)
    assert not unknown, unknown

    def made(random: Random) -> bytes:
        damaged = dict(parts)
        for name in random.sample(sorted(ways), min(len(ways), random.choice((1, 1, 2)))):
            damaged[name] = ways[name](random, damaged[name])
        if random.random() < 0.05:
            del damaged[random.choice(sorted(damaged))]
        return as_zip(damaged, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))

    return made


def _plain(seed: bytes, way: Damage) -> Target:
    return lambda random: way(random, seed)


def _packed(seed: bytes, pack: Callable[[bytes], bytes]) -> Target:
    """Damage within, around, or streams one after the other."""

    def made(random: Random) -> bytes:
        if random.random() < 0.3:
            return pack(AS_BYTES(random, seed))
        whole = pack(seed) * random.choice((1, 1, 1, 2, 3))
        return AS_BYTES(random, whole)

    return made


def _stream_of(whole: bytes) -> bytes:
    """The stream of a workbook made here: it stands behind the head, in one piece."""
    assert whole.startswith(MAGIC)
    (first,) = struct.unpack_from("<I", whole, 48)  # the directory follows the stream
    return whole[512 : (first + 1) * 512]


def _old_streams(seed: bytes) -> Target:
    stream = _stream_of(seed)
    return lambda random: compound(as_old_records(random, stream))


def _around_stream(seed: bytes) -> Target:
    """Damage in the head, the directory and the table of sectors of an OLE container."""
    (directory,) = struct.unpack_from("<I", seed, 48)
    places = [
        (0, 512),
        ((directory + 1) * 512, (directory + 2) * 512),
        ((directory + 2) * 512, len(seed)),
    ]

    def made(random: Random) -> bytes:
        damaged = seed
        for _ in range(random.randint(1, 3)):
            start, end = random.choice(places)
            part = several(*_OLE_WAYS)(random, damaged[start:end])
            damaged = (
                damaged[:start] + part[: end - start].ljust(end - start, b"\0") + damaged[end:]
            )
        return damaged

    return made


def _ways(names: str, way: Damage) -> dict[str, Damage]:
    return dict.fromkeys(names.split(), way)


def targets() -> dict[str, Target]:
    """Every target by its name."""
    found: dict[str, Target] = {
        f"{kind}, as bytes": _plain(FORMATS[kind](HEADER, ROWS), AS_BYTES)
        for kind in FORMATS
        if "." not in kind
    }
    csv = FORMATS["csv"](HEADER, ROWS)
    found |= {f"csv.{kind}": _packed(csv, pack) for kind, pack in PACKED.items()}
    xml, binary = AS_MARKUP, several(as_binary_records, as_binary_records, AS_BYTES)
    book = "xl/workbook.xml xl/_rels/workbook.xml.rels xl/styles.xml xl/worksheets/sheet1.xml"
    strings = "xl/sharedStrings.xml xl/worksheets/sheet1.xml"
    wide = as_xlsb(HEADER, NUMBERS, merges=[(1, 2, 0, 0)])
    old = as_xls(HEADER, NUMBERS, merges=[(1, 2, 0, 0)])
    document = ods(_open_document(), **{"styles.xml": "<s/>", "META-INF/manifest.xml": "<m/>"})
    archive = as_zip({"a.csv": csv, "b/c.xml": _tree_xml(), "d.zip": as_zip({"e.csv": csv})})
    found |= {
        "xlsx, parts": _parts(_workbook(), _ways(book, xml)),
        "xlsx, sheet": _parts(_workbook(), _ways("xl/worksheets/sheet1.xml", xml)),
        "xlsx, texts": _parts(_strings(), _ways(strings, xml)),
        "xlsb, parts": _parts(
            wide,
            _ways("xl/workbook.bin xl/styles.bin xl/worksheets/sheet1.bin", binary)
            | _ways("xl/_rels/workbook.bin.rels", xml),
        ),
        "xlsb, sheet": _parts(wide, _ways("xl/worksheets/sheet1.bin", binary)),
        "xls, records": _old_streams(old),
        "xls, container": _around_stream(old),
        "ods, content": _parts(document, _ways("content.xml", xml)),
        "ods, all parts": _parts(
            document, _ways("content.xml styles.xml META-INF/manifest.xml", xml)
        ),
        "fods, tags": _plain(_flat(), AS_MARKUP),
        "spreadsheetml, tags": _plain(FORMATS["spreadsheetml"](HEADER, ROWS), AS_MARKUP),
        "xml, tags": _plain(_tree_xml(), AS_MARKUP),
        "html, tags": _plain(_page(), AS_MARKUP),
        "json, words": _plain(_tree_json(), AS_WORDS),
        "jsonl, words": _plain(FORMATS["jsonl"](HEADER, ROWS), AS_WORDS),
        "zip, heads": _plain(archive, several(zip_heads, zip_heads, AS_BYTES)),
        "xlsx, heads": _plain(_workbook(), several(zip_heads)),
        "tar, heads": _plain(_tar(), several(tar_heads, tar_heads, tar_heads, AS_BYTES)),
        "tar.gz": _packed(_tar(), PACKED["gz"]),
    }
    return found

"""Small hostile contents. What matters is that each ends with one explained outcome, quickly."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import NamedTuple

_HEAD = b"patient_id,last_name,first_name,date_of_birth,gender\n"
_ROW = b"PT-8%06d,Family,Given,1960-05-17,F\n"


class HostileContent(NamedTuple):
    """A file's name (unique) and its bytes."""

    label: str
    data: bytes


def hostile_contents() -> list[HostileContent]:
    """Contents that break naive readers; none is larger than a megabyte."""
    return [
        HostileContent("empty-header.csv", _HEAD),
        HostileContent("only-newlines.csv", b"\n" * 5_000),
        HostileContent("only-nul.csv", b"\0" * 5_000),
        HostileContent("nul-inside.csv", _HEAD + b"PT-9000001,Fa\0mily,Given,1960-05-17,F\n"),
        HostileContent("zero-tail.csv", _rows(50, 1) + b"\0" * 4_096),
        HostileContent("open-quote.csv", _HEAD + b'PT-9000002,"Family,Given,1960-05-17,F\n' * 200),
        HostileContent("cut-in-a-character.csv", _rows(20, 2) + b"PT-9000003,M\xc3"),
        HostileContent("cut-in-a-row.csv", _rows(20, 3) + b"PT-9000004,Fam"),
        HostileContent("many-columns.csv", b",".join(b"c%d" % n for n in range(20_000)) + b"\n1\n"),
        HostileContent(
            "long-cell.csv", _HEAD + b"PT-9000005," + b"x" * 900_000 + b",G,1960-05-17,F\n"
        ),
        HostileContent("formulas.csv", _HEAD + b"PT-9000006,=1+1,@SUM(A1),1960-05-17,F\n" * 2),
        HostileContent("escape-codes.csv", _HEAD + b"PT-9000007,\x1b[2J,Given,1960-05-17,F\n" * 2),
        HostileContent(
            "html.csv", _HEAD + b"PT-9000008,<script>alert(1)</script>,G,1960-13-17,F\n"
        ),
        HostileContent("utf-16.csv", _rows(20, 4).decode().encode("utf-16")),
        HostileContent("utf-16-cut.csv", _rows(20, 5).decode().encode("utf-16")[:-1]),
        HostileContent(
            "two-encodings.csv", _rows(5, 6) + "PT-9000009,Mü,G,1960-05-17,F\n".encode("utf-16")
        ),
        HostileContent(
            "mixed-ends.csv", _rows(5, 7).replace(b"\n", b"\r\n", 2).replace(b"\n", b"\r", 1)
        ),
        HostileContent("bomb.csv.gz", gzip.compress(b"\0" * 50_000_000)),
        HostileContent("cut.csv.gz", gzip.compress(_rows(500, 8))[:-9]),
        HostileContent("slip.zip", _zip("../../../tmp/owned.csv", _rows(3, 9))),
        HostileContent("absolute.zip", _zip("/tmp/owned.csv", _rows(3, 10))),
        HostileContent("bomb.zip", _zip("a.csv", b"\0" * 20_000_000)),
        HostileContent("entities.xml", _entities()),
        HostileContent(
            "outside.xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
        ),
        HostileContent("deep.json", b"[" * 50_000),
        HostileContent("pickle.csv", b"cos\nsystem\n(S'touch owned'\ntR."),
        HostileContent("yaml-object.csv", b"!!python/object/apply:os.system ['touch owned']\n"),
        HostileContent("not-a-workbook.xlsx", b"PK\x03\x04" + b"\xff" * 500),
        HostileContent("not-parquet.parquet", b"PAR1" + b"\xff" * 500 + b"PAR1"),
    ]


def _rows(count: int, series: int) -> bytes:
    return _HEAD + b"".join(_ROW % (series * 10_000 + number) for number in range(count))


def _zip(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


def _entities() -> bytes:
    levels = b"".join(
        b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10)
    )
    return b'<!DOCTYPE a [<!ENTITY l0 "lol">' + levels + b"]><a>&l9;</a>"

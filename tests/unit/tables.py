"""One table in every format: small files made on the spot."""

from __future__ import annotations

import base64
import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from tests.unit.binarybooks import as_xls, as_xlsb

Rows = Sequence[Sequence[str]]


def as_csv(header: Sequence[str], rows: Rows, **dialect: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", **dialect)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json(header: Sequence[str], rows: Rows) -> bytes:
    records = [dict(zip(header, row, strict=True)) for row in rows]
    document = {"meta": {"count": len(records)}, "data": records}
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def as_json_rows(header: Sequence[str], rows: Rows) -> bytes:
    return json.dumps([list(header), *map(list, rows)]).encode()


def as_json_lines(header: Sequence[str], rows: Rows) -> bytes:
    lines = [json.dumps(dict(zip(header, row, strict=True))) for row in rows]
    return "\n".join([*lines, ""]).encode()


def as_xml(header: Sequence[str], rows: Rows) -> bytes:
    records = "".join(
        "<row>"
        + "".join(
            f"<{name}>{escape(text)}</{name}>" for name, text in zip(header, row, strict=True)
        )
        + "</row>\n"
        for row in rows
    )
    declared = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{declared}\n<export><rows>{records}</rows></export>".encode()


def as_html(header: Sequence[str], rows: Rows) -> bytes:
    lines = [
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>"
        for row in [header, *rows]
    ]
    return (
        '<html><head><meta charset="utf-8"><style>td{mso-number-format:"@"}</style></head>'
        f"<body><table>{''.join(lines)}</table></body></html>"
    ).encode()


def as_xlsx(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Data"
    sheet.append(list(header))
    for row in rows:
        sheet.append(list(row))
    return saved(book)


def saved(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def as_spreadsheetml(header: Sequence[str], rows: Rows) -> bytes:
    lines = "".join(
        "<Row>"
        + "".join(f'<Cell><Data ss:Type="String">{escape(text)}</Data></Cell>' for text in row)
        + "</Row>"
        for row in [header, *rows]
    )
    return (
        '<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" '
        'xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">'
        f'<Worksheet ss:Name="Data"><Table>{lines}</Table></Worksheet></Workbook>'
    ).encode()


def as_ods(header: Sequence[str], rows: Rows) -> bytes:
    lines = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{escape(text)}</text:p>'
            "</table:table-cell>"
            if text
            else "<table:table-cell/>"
            for text in row
        )
        + "</table:table-row>"
        for row in [header, *rows]
    )
    names = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content{names} '
        'office:version="1.3"><office:body><office:spreadsheet><table:table table:name="Data">'
        f"{lines}</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<?xml version="1.0"?><manifest:manifest '
        'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        "</manifest:manifest>"
    )
    return as_zip(
        {"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest},
        zipfile.ZIP_STORED,
    )


def as_zip(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def as_arrow_table(header: Sequence[str], rows: Rows) -> pa.Table:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.table(columns, names=list(header))


def as_parquet(header: Sequence[str], rows: Rows) -> bytes:
    out = io.BytesIO()
    pq.write_table(as_arrow_table(header, rows), out)
    return out.getvalue()


def as_feather(header: Sequence[str], rows: Rows) -> bytes:
    out = io.BytesIO()
    feather.write_feather(as_arrow_table(header, rows), out)
    return out.getvalue()


def as_arrow_stream(header: Sequence[str], rows: Rows) -> bytes:
    table = as_arrow_table(header, rows)
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return out.getvalue()


def zstd(content: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    packed: bytes = out.getvalue().to_pybytes()
    return packed


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda content: gzip.compress(content, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
}

FORMATS: dict[str, Callable[[Sequence[str], Rows], bytes]] = {
    "csv": as_csv,
    "tsv": lambda header, rows: as_csv(header, rows, delimiter="\t"),
    "json": as_json,
    "json-rows": as_json_rows,
    "jsonl": as_json_lines,
    "xml": as_xml,
    "html": as_html,
    "xlsx": as_xlsx,
    "xls": as_xls,
    "xlsb": as_xlsb,
    "spreadsheetml": as_spreadsheetml,
    "ods": as_ods,
    "parquet": as_parquet,
    "feather": as_feather,
    "arrow": as_arrow_stream,
    **{
        f"csv.{ending}": lambda header, rows, pack=pack: pack(as_csv(header, rows))  # type: ignore[misc]
        for ending, pack in PACKED.items()
    },
    "xlsx.gz": lambda header, rows: PACKED["gz"](as_xlsx(header, rows)),
}


def unpacked(text: str) -> bytes:
    """A small binary file kept as text in a test."""
    return zlib.decompress(base64.b85decode(text))

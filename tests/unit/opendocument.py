"""OpenDocument spreadsheets made on the spot: cells with values, styles and repetitions."""

from __future__ import annotations

import zipfile

from tests.unit.tables import as_zip

SPACES = "".join(
    f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "table", "text", "style", "number", "datastyle")
).replace("xmlns:number:1.0", "xmlns:datastyle:1.0")
SPACES += ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
KIND = "application/vnd.oasis.opendocument.spreadsheet"
STYLES = """
<number:number-style style:name="N1"><number:number number:min-integer-digits="5"/>
</number:number-style>
<number:number-style style:name="N2"><number:number number:min-integer-digits="9">
<number:embedded-text number:position="4">-</number:embedded-text>
<number:embedded-text number:position="6">-</number:embedded-text></number:number>
</number:number-style>
<number:percentage-style style:name="N3"><number:number number:decimal-places="1"
 number:min-decimal-places="1" number:min-integer-digits="1"/><number:text>%</number:text>
</number:percentage-style>
<number:currency-style style:name="N4P0"><number:number number:decimal-places="2"
 number:min-integer-digits="1" number:grouping="true"/><number:text> </number:text>
<number:currency-symbol>€</number:currency-symbol></number:currency-style>
<number:currency-style style:name="N4"><number:text>-</number:text>
<number:number number:decimal-places="2" number:min-integer-digits="1" number:grouping="true"/>
<style:map style:condition="value()&gt;=0" style:apply-style-name="N4P0"/></number:currency-style>
<number:number-style style:name="N5"><number:text>P</number:text>
<number:number number:min-integer-digits="4"/></number:number-style>
<number:number-style style:name="N6"><number:number number:decimal-places="1"
 number:min-integer-digits="1"/><number:text> mg</number:text></number:number-style>
<number:number-style style:name="N7"><number:number number:decimal-places="2"
 number:min-decimal-places="2" number:min-integer-digits="1"/></number:number-style>
<number:date-style style:name="D1"><number:day/><number:text>.</number:text><number:month/>
<number:text>.</number:text><number:year number:style="long"/></number:date-style>
<number:date-style style:name="D2"><number:day/><number:month/><number:year/><number:hours/>
</number:date-style>
<number:time-style style:name="T1"><number:hours/><number:minutes/></number:time-style>
<number:time-style style:name="T2" number:truncate-on-overflow="false"><number:hours/>
<number:minutes/></number:time-style>
"""
NAMED = ["N1", "N2", "N3", "N4", "N5", "N6", "N7", "D1", "D2", "T1", "T2"]


def content(rows: str, before: str = "", sheets: str = "", settings: str = "") -> str:
    cells = "".join(
        f'<style:style style:name="c{name}" style:family="table-cell" '
        f'style:parent-style-name="Default" style:data-style-name="{name}"/>'
        for name in NAMED
    )
    table = f'<table:table table:name="Data">{before}{rows}</table:table>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content{SPACES}>'
        f"<office:automatic-styles>{STYLES}{cells}"
        '<style:style style:name="ta" style:family="table">'
        '<style:table-properties table:display="false"/></style:style></office:automatic-styles>'
        f"<office:body><office:spreadsheet>{settings}{sheets}{table}</office:spreadsheet>"
        "</office:body></office:document-content>"
    )


def ods(document: str, **parts: str) -> bytes:
    return as_zip({"mimetype": KIND, "content.xml": document, **parts}, zipfile.ZIP_STORED)


def row(*cells: str, more: str = "") -> str:
    return f"<table:table-row{more}>{''.join(cells)}</table:table-row>"


def words(text: str, more: str = "") -> str:
    return (
        f'<table:table-cell office:value-type="string"{more}><text:p>{text}</text:p>'
        "</table:table-cell>"
    )


def cell(kind: str, value: str, style: str = "", said: str = "as shown", more: str = "") -> str:
    name = {"date": "date-value", "time": "time-value", "boolean": "boolean-value"}.get(
        kind, "value"
    )
    own = f' table:style-name="c{style}"' if style else ""
    return (
        f'<table:table-cell{own} office:value-type="{kind}" office:{name}="{value}"{more}>'
        f"<text:p>{said}</text:p></table:table-cell>"
    )

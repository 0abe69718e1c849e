"""report.html: what became of one file, for the person who answers for the data.

Made from the same numbers as report.json; it adds words, small charts, and examples of what was
kept out. It holds no clock and no timings, so the same delivery gives the same page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from pipeline.contract.loading import Contract
from pipeline.errors import FILE_CODES, ROW_CODES, CodeText, FileCode, RowCode
from pipeline.outputs.changes import reason_of
from pipeline.outputs.rejects import Reject
from pipeline.pages.render import counted, grouped, part, render, share
from pipeline.plain import Kept
from pipeline.same import remembered

COLOURS = {"good": "#1f7a4d", "bad": "#b3261e", "dup": "#5b6fb5", "none": "#c3cbd6"}
_MOST_REASONS = 12
_HOW = {"exact": "same name", "alias": "known name", "mapping": "confirmed by a person"}
_KINDS = {
    "identifier": "as text: zeros, letters' case and dashes are kept",
    "npi": "as text, with its check digit checked",
    "loinc": "as text, with its check digit checked",
    "luhn": "as text, with its check digit checked",
    "person-name": "as a name, left as it is written",
    "ucum-unit": "as units, written in UCUM",
    "phone": "as telephone numbers",
    "email": "as e-mail addresses",
    "postal-code-us": "as US postal codes",
    "us-state": "as US states",
    "boolean": "as yes or no",
    "text": "as text, as it stands",
}
_FILES = {
    "rejects.csv": "the rows that were kept out, with every reason; made to be corrected",
    "rescued.csv": "values of columns that belong to no field of the contract",
    "changes.csv": "every changed cell with its reason",
    "possible-duplicates.csv": "pairs of rows that may be the same; none was merged",
    "datapackage.json": "description of these files for programs (Data Package 2.0)",
    "report.json": "everything on this page, and all evidence, for programs",
}

Examples = Mapping[tuple[str, str], Sequence[Reject]]
"""The first few rejects of each code and field."""


def report_page(report: Mapping[str, Any], contract: Contract, examples: Examples) -> bytes:
    """The page of one report. `examples` never shows fields the contract calls restricted."""
    kicker, sha256 = _kicker(report, contract), report["source"]["sha256"]
    if report["refused"] is not None or report["rejects"]:
        return _page(report, contract, examples, kicker, sha256)
    pieces = _pieces(report, contract)
    if len(pieces) != 3:  # a label or a name looks like a place
        return _page(report, contract, examples, kicker, sha256)
    return pieces[0] + _escaped(kicker) + pieces[1] + _escaped(sha256) + pieces[2]


def _escaped(text: str) -> bytes:
    return escape(text).encode(errors="replace")


_PLACE = "\x02place of what differs from file to file\x03"
_MOST_PAGES = 128  # of about 20 KB
_pages: dict[tuple[object, ...], tuple[list[bytes], tuple[object, ...]]] = {}


def _pieces(report: Mapping[str, Any], contract: Contract) -> list[bytes]:
    """A page without rejects around the places of its kicker and its hash.

    Of files with the same counts and decisions it is the same, so it is made for the first one.
    """
    kept = (contract, report["plan"], report["columns"], report["checks"])
    rest = {name: report.get(name) for name in _TOLD}
    files = [output["name"] for output in report["outputs"]]
    key = (*map(id, kept), repr(rest), *files)
    known = _pages.get(key)
    if known is None:
        page = _page(report, contract, {}, _PLACE, _PLACE)
        if len(_pages) >= _MOST_PAGES:
            _pages.clear()
        known = _pages[key] = (page.split(_PLACE.encode()), kept)  # kept: so are their ids
    return known[0]


_TOLD = (
    "counts", "parent", "rejects_of_rows", "warnings", "unclaimed_columns", "possible_duplicates",
    "not_checked", "engine",
)  # fmt: skip
"""What else of a report the page tells, all of it numbers, labels and sentences."""


def _page(
    report: Mapping[str, Any], contract: Contract, examples: Examples, kicker: str, sha256: str
) -> bytes:
    rejects = list(_rejects(report, contract, examples))
    return render(
        "report.html",
        kicker=kicker,
        verdict=_verdict(report, contract),
        flow=_flow(report["counts"], is_refused=report["refused"] is not None),
        steps=list(_steps(report, contract)),
        rejects=rejects[:_MOST_REASONS],
        rejects_more=len(rejects) - len(rejects[:_MOST_REASONS]),
        rejects_note=_rejects_note(report["counts"]),
        warnings=[
            {"rows": rows, "code": code, "sentence": _sentence(code)}
            for code, rows in report["warnings"].items()
            if code != RowCode.ROW_CONSTRAINT
        ],
        checks=list(_checks(report, contract)),
        reading=_reading(report["plan"]["reading"]),
        decided=_rows(map(_decided, report["plan"]["columns"])),
        unclaimed=list(_unclaimed(report, contract)),
        quality=_rows(map(_quality, filter(_is_there, report["columns"])))
        if report["refused"] is None
        else "",
        absent=", ".join(one["field"] for one in report["columns"] if not _is_there(one)),
        colours=COLOURS,
        files=list(_files(report, contract)),
        footer=_footer(report, contract),
        sha256=sha256,
        engine=", ".join(f"{name} {number}" for name, number in report["engine"].items()),
    )


def _kicker(report: Mapping[str, Any], contract: Contract) -> str:
    name = report["source"].get("name")
    parts = [report["job"], *([name] if name else []), contract.title or contract.name]
    return " · ".join(parts)


def _verdict(report: Mapping[str, Any], contract: Contract) -> dict[str, str]:
    counts = report["counts"]
    written, rejected = counts["rows_written"], counts["rows_rejected"]
    if report["refused"] is not None:
        return _refused(report)
    records = counts["rows_read"] - counts["rows_skipped"]
    lead = [f"What was delivered keeps every rule of {contract.name} {contract.version}."]
    if counts["rows_duplicate"]:
        lead.append(
            f"{_sized(counts['rows_duplicate'], 'row')} said the same as another one and "
            f"{'was' if counts['rows_duplicate'] == 1 else 'were'} delivered once."
        )
    if report.get("parent"):
        lead.insert(0, f"These rows correct what was kept out of {report['parent']}.")
    if not rejected:
        all_of = f"All {grouped(written)} rows were" if written != 1 else "The one row was"
        return {"tone": "all", "headline": f"{all_of} delivered", "lead": " ".join(lead)}
    lead.append(
        f"{_sized(rejected, 'row')} ({share(rejected, records)}) could not be read without "
        f"guessing and {'waits' if rejected == 1 else 'wait'} for a person."
    )
    was = "was" if rejected == 1 else "were"
    return {
        "tone": "some",
        "headline": f"{_sized(written, 'row')} delivered, {grouped(rejected)} {was} kept out",
        "lead": " ".join(lead),
    }


def _refused(report: Mapping[str, Any]) -> dict[str, str]:
    code, _, note = report["refused"].removeprefix("[").partition("] ")
    text: CodeText = FILE_CODES[FileCode(code)]
    return {
        "tone": "none",
        "headline": "This file was not delivered",
        "lead": f"{text.meaning} {note[:1].upper()}{note[1:]}. Nothing was lost: the original is "
        "kept as it came.",
    }


def _sized(number: int, singular: str) -> str:
    text = counted(number, singular)
    return text[:1].upper() + text[1:]


def _flow(counts: Mapping[str, Any], *, is_refused: bool) -> dict[str, Any]:
    written = counts["rows_written"]
    kinds = [
        (written, "good", "without fault, not delivered" if is_refused else "delivered"),
        (counts["rows_rejected"], "bad", "kept out"),
        (counts["rows_duplicate"], "dup", "said again (duplicates)"),
        (counts["rows_skipped"], "none", "blank or repeated header"),
    ]
    made = counts["rows_added"]
    begins = f"{counted(counts['rows_read'], 'row')} read"
    if made:
        begins += f" + {grouped(made)} made by splitting rows that hold several values"
    ends = " + ".join(f"{grouped(rows)} {words}" for rows, _, words in kinds)
    return {
        "parts": [
            {**part, "rows": rows, "words": words}
            for part, (rows, _, words) in zip(
                _parts([(rows, COLOURS[colour]) for rows, colour, _ in kinds]), kinds, strict=True
            )
        ],
        "label": ", ".join(f"{grouped(rows)} {words}" for rows, _, words in kinds),
        "sum": f"{begins} = {ends}. Every row is accounted for.",
    }


def _parts(shares: Sequence[tuple[int, str]]) -> list[dict[str, Any]]:
    """Pieces of a bar of width 100; what is there at all stays visible."""
    total = sum(size for size, _ in shares)
    widths = [max(100 * size / total, 0.6) if size else 0.0 for size, _ in shares]
    scale = 100 / sum(widths) if any(widths) else 0.0
    parts, start = [], 0.0
    for width, (_, colour) in zip(widths, shares, strict=True):
        parts.append({"start": round(start, 2), "width": round(width * scale, 2), "colour": colour})
        start += width * scale
    return parts


def _steps(report: Mapping[str, Any], contract: Contract) -> Iterator[dict[str, str | None]]:
    """What a person may do, most important first."""
    refused = report["refused"] is not None
    if refused:
        yield {
            "text": "Correct the rows in the spreadsheet beside this page, in their own columns, "
            "save it as CSV under any name and drop it into the inbox. The whole file is then "
            "read again with your corrections.",
            "link": "rejects.csv",
        }
    elif report["counts"]["rows_rejected"]:
        yield {
            "text": "Open the rejects in a spreadsheet, correct the cells in their own columns, "
            "save as CSV under any name and drop it into the inbox. Only those rows are read "
            "again, and delivered beside this delivery.",
            "link": "rejects.csv",
        }
    if RowCode.CODE_UNKNOWN in report["rejects"]:
        yield {
            "text": "Unknown codes: if a spelling is right, add it to the contract as an alias; "
            "then it is known for every later file.",
            "link": None,
        }
    rescued = [one for one in report["unclaimed_columns"] if one["fate"] == "rescue"]
    if rescued and not refused:
        one = len(rescued) == 1
        yield {
            "text": f"{_sized(len(rescued), 'column')} of the file "
            f"{'belongs' if one else 'belong'} to no field of {contract.name}. "
            f"{'Its' if one else 'Their'} values are kept beside the data.",
            "link": "rescued.csv",
        }
    if (report.get("possible_duplicates") or {}).get("pairs"):
        yield {
            "text": "Some rows may be about the same thing. They were delivered as they are; look "
            "at the pairs.",
            "link": "possible-duplicates.csv",
        }


def _rejects_note(counts: Mapping[str, Any]) -> str:
    rows = counts["rows_rejected"]
    was = "was" if rows == 1 else "were"
    return f"{_sized(rows, 'row')} {was} kept out; one may have several reasons."


def _rejects(
    report: Mapping[str, Any], contract: Contract, examples: Examples
) -> Iterator[dict[str, Any]]:
    positions = _positions(report, contract)
    ranked = sorted(
        (
            (rows, code, column["field"])
            for column in report["columns"]
            for code, rows in column["rejected"].items()
        ),
        key=lambda reason: (-reason[0], reason[1], reason[2]),
    )
    whole = [(rows, code, "") for code, rows in report["rejects_of_rows"].items()]
    for rows, code, field in sorted([*ranked, *whole], key=lambda one: (-one[0], one[1], one[2])):
        found = examples.get((code, field), ())
        position, hidden = positions.get(field, (None, False))
        has_cells = position is not None and not hidden and all(one.cells for one in found)
        sentences = {one.sentence for one in found}
        yield {
            "rows": rows,
            "field": field,
            "code": code,
            "sentence": sentences.pop() if len(sentences) == 1 else _sentence(code),
            "hidden": hidden,
            "lines": "" if has_cells else _lines([one.line for one in found]),
            "examples": list(_examples(found, position)) if has_cells else [],
        }


def _examples(found: Sequence[Reject], position: int | None) -> Iterator[dict[str, str]]:
    """Each cell once, with the lines it stands in."""
    lines: dict[str, list[int]] = {}
    for one in found:
        lines.setdefault(one.cells[position or 0], []).append(one.line)
    for cell, places in lines.items():
        yield {"lines": _lines(places), "cell": cell}


def _lines(lines: Sequence[int]) -> str:
    """Lines 8, 11 and 15."""
    *first, last = [grouped(line) for line in lines] or [""]
    return f"lines {', '.join(first)} and {last}" if first else f"line {last}"


def _positions(report: Mapping[str, Any], contract: Contract) -> dict[str, tuple[int | None, bool]]:
    """Where each field's text stands in the file, and whether it may not be shown."""
    columns = {column["field"]: column["position"] for column in report["plan"]["columns"]}
    restricted = set(contract.privacy.restricted)
    places = {name: (columns.get(name), name in restricted) for name in contract.field_names}
    for field in contract.fields:
        if field.split is None or field.name not in columns:
            continue
        for target in field.split.targets().values():
            if places[target][0] is None:
                hidden = target in restricted or field.name in restricted
                places[target] = (columns[field.name], hidden)
    return places


def _sentence(code: str) -> str:
    return ROW_CODES[RowCode(code)]


def _checks(report: Mapping[str, Any], contract: Contract) -> Iterator[dict[str, Any]]:
    messages = {check.id: check.message for check in contract.checks}
    for check in report["checks"]:
        if check["rows"] and check["severity"] == "warning":
            words = messages.get(check["id"]) or "The row breaks a rule:"
            yield {**check, "words": words}


def _reading(reading: Mapping[str, Any]) -> str:
    """How the file was opened, in a sentence or two."""
    said = [str(reading.get("format", "table"))]
    if reading.get("encoding"):
        said.append(str(reading["encoding"]))
    evidence = [str(one) for one in reading.get("evidence", ())]
    return f"Read as {', '.join(said)}: {'; '.join(evidence) or 'by its content'}."


def _rows(rows: Iterable[Markup]) -> Markup:
    return Markup("".join(rows))  # noqa: S704 - they are escaped already


@remembered(4_096)
def _decided(column: Kept) -> Markup:
    """What was decided about a column, as a row of the page."""
    told = {
        "label": column["label"],
        "field": column["field"],
        "how": _HOW.get(column["matched"], column["matched"]),
        "sentences": column["sentences"],
        "kind": _KINDS.get(column["kind"], "as it stands"),
    }
    return part("report_rows.html", "decided", told)


def _unclaimed(report: Mapping[str, Any], contract: Contract) -> Iterator[dict[str, str]]:
    for column in report["unclaimed_columns"]:
        is_rescued = column["fate"] == "rescue"
        near = column.get("nearest_field")
        yield {
            "label": column["label"] or f"column {column['position'] + 1}",
            "fate": "kept in rescued.csv" if is_rescued else "left out",
            "sentence": f"No field of {contract.name} is called so."
            + (f" The nearest is {near}." if near else ""),
        }


def _is_there(column: Mapping[str, Any]) -> bool:
    return column["label"] is not None or column["valid"] > 0 or bool(column["rejected"])


@remembered(4_096)
def _quality(column: Kept) -> Markup:
    """How well a column is filled, as a row of the page."""
    valid, null, bad = column["valid"], column["null"], sum(column["rejected"].values())
    told = {
        "field": column["field"],
        "parts": _parts([(valid, COLOURS["good"]), (null, COLOURS["none"]), (bad, COLOURS["bad"])]),
        "label": f"{column['field']}: {grouped(valid)} with a value, {grouped(null)} empty, "
        f"{grouped(bad)} kept out",
        "filled": share(valid, valid + null),
        "changes": [
            {"cells": cells, "words": reason_of(reason).words}
            for reason, cells in column["changed"].items()
        ],
    }
    return part("report_rows.html", "quality", told)


def _files(report: Mapping[str, Any], contract: Contract) -> Iterator[dict[str, str]]:
    names = [output["name"] for output in report["outputs"] if output["name"] != "report.html"]
    for name in (*names, "report.json"):
        is_data = name.rpartition(".")[0] == contract.name
        rows = counted(report["counts"]["rows_written"], "row")
        yield {"name": name, "words": f"the data: {rows}" if is_data else _FILES.get(name, "")}


def _footer(report: Mapping[str, Any], contract: Contract) -> str:
    checked = report["not_checked"]
    said = f"Contract {contract.name} {contract.version}."
    return said + (f" Not checked: {'; '.join(checked)}." if checked else "")

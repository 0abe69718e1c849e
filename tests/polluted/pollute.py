"""One pollution a file, with the truth a reader should come to."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random

from tests.polluted.tables import KINDS, Clean, sales


@dataclass(frozen=True)
class Polluted:
    """A file and its truth. `None` where the truth does not matter or cannot be told."""

    name: str
    data: bytes
    header: list[str] | None
    rows: list[list[str]]
    delimiter: str | None = ","
    quote: str | None = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    header_lines: int = 1
    preamble: int = 0
    footer: int = 0


@dataclass
class Draft:
    """A file in the making: raw lines, written by one dialect."""

    clean: Clean
    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    end: str = "\r\n"
    encoding: str = "utf-8"
    always: bool = False
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    last_end: bool = True
    bom: bool = False
    with_header: bool = True

    def cell(self, text: str, at: int) -> str:
        special = [self.delimiter, self.quote or '"', "\r", "\n"]
        quoted = self.always or at in self.clean.quoted
        if self.quote and (quoted or any(mark in text for mark in special if mark)):
            body = text.replace(self.quote, self.escape + self.quote)
            return self.quote + body + self.quote
        return text

    def line(self, cells: list[str]) -> str:
        return self.delimiter.join(self.cell(text, at) for at, text in enumerate(cells))

    def lines(self) -> list[str]:
        rows = [self.clean.header, *self.clean.rows] if self.with_header else self.clean.rows
        return [*self.before, *(self.line(row) for row in rows), *self.after]

    def bytes_of(self, lines: list[str] | None = None) -> bytes:
        text = self.end.join(self.lines() if lines is None else lines)
        if self.last_end:
            text += self.end
        codec = self.encoding
        return (("\ufeff" if self.bom else "") + text).encode(codec)

    def truth(self, name: str, data: bytes | None = None, **other: object) -> Polluted:
        quoted = self.quote and self.quote in "".join(self.lines())
        made = Polluted(
            name=f"{self.clean.name}-{name}",
            data=self.bytes_of() if data is None else data,
            header=self.clean.header if self.with_header else None,
            rows=self.clean.rows,
            delimiter=self.delimiter,
            quote=self.quote if quoted else None,
            escape=self.escape if self.escape == "\\" and "\\" in "".join(self.lines()) else None,
            encoding=self.encoding,
            header_lines=int(self.with_header),
            preamble=len(self.before),
            footer=len(self.after),
        )
        return replace(made, **other)  # type: ignore[arg-type]


Pollution = Callable[[Clean, Random], Iterator[Polluted]]


def fits(clean: Clean, *marks: str) -> bool:
    """True when no cell holds one of `marks`: the file could be read without quotes."""
    return not any(mark in cell for row in clean.rows for cell in row for mark in marks)


def delimiters(clean: Clean, random: Random) -> Iterator[Polluted]:
    marks = {
        "semicolon": ";",
        "tab": "\t",
        "bar": "|",
        "caret": "^",
        "tilde": "~",
        "unit": "\x1f",
        "comma-space": ", ",
        "bars": "||",
        "colons": "::",
        "tabs": "\t\t",
        "fancy": "~|~",
        "thorn": "¦",
        "hash": "#",
        "spaced-bar": " | ",
    }
    for name, mark in marks.items():
        draft = Draft(clean, delimiter=mark)
        yield draft.truth(f"delimiter-{name}")
    draft = Draft(clean, delimiter=" ")
    yield draft.truth("delimiter-space")


def quoting(clean: Clean, random: Random) -> Iterator[Polluted]:
    yield Draft(clean, quote="'", escape="'", always=True).truth("quote-apostrophe-all")
    if any("," in cell for row in clean.rows for cell in row):
        yield Draft(clean, quote="'", escape="'").truth("quote-apostrophe")
        yield Draft(clean, quote="`", escape="`").truth("quote-backtick")
    yield Draft(clean, always=True).truth("quote-all")
    yield Draft(clean, escape="\\").truth("escape-backslash")
    yield Draft(clean, delimiter=";", escape="\\", always=True).truth("escape-backslash-all")
    if fits(clean, "\t", "\n", '"'):
        yield Draft(clean, delimiter="\t", quote="").truth("no-quotes-tab")


def endings(clean: Clean, random: Random) -> Iterator[Polluted]:
    for name, end in (("lf", "\n"), ("cr", "\r"), ("crcrlf", "\r\r\n")):
        if end != "\n" and not fits(clean, "\n"):
            continue
        yield Draft(clean, end=end).truth(f"end-{name}")
    yield Draft(clean, last_end=False).truth("end-none")
    draft = Draft(clean)
    yield draft.truth("end-double", data=draft.bytes_of() + b"\r\n")
    lines = [line + random.choice(["\n", "\r\n"]) for line in draft.lines()]
    yield draft.truth("end-mixed", data="".join(lines).encode())
    yield draft.truth("end-ctrl-z", data=draft.bytes_of() + b"\x1a")


def encodings(clean: Clean, random: Random) -> Iterator[Polluted]:
    for codec in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
        yield Draft(clean, encoding=codec, bom=True).truth(f"bom-{codec}")
    yield Draft(clean, encoding="utf-16-le").truth("nobom-utf-16-le")
    yield Draft(clean, encoding="utf-16-be", delimiter="\t").truth("nobom-utf-16-be")
    if clean.name == "finance":
        for codec in ("cp1252", "latin-1", "mac-roman", "cp850", "cp437"):
            yield Draft(clean, encoding=codec, delimiter=";").truth(f"codec-{codec}")


def headers(clean: Clean, random: Random) -> Iterator[Polluted]:
    if clean.name not in ("people",):
        yield Draft(clean, with_header=False).truth("header-none")
    draft = Draft(clean)
    header, *rows = draft.lines()
    yield draft.truth(
        "header-only", data=draft.bytes_of([header]), rows=[], quote='"' if '"' in header else None
    )
    one = Draft(replace(clean, rows=clean.rows[:1]))
    if clean.name not in ("people",):
        yield one.truth("one-row")
    middle = len(rows) // 2
    again = [header, *rows[:middle], header, *rows[middle:]]
    yield draft.truth("header-repeated", data=draft.bytes_of(again))
    if clean.name in ("sales", "labs", "wide", "sensors"):
        units = [f"[{chr(97 + at % 26)}{at}u]" for at in range(len(clean.header))]
        both = [f"{name} {unit}" for name, unit in zip(clean.header, units, strict=True)]
        lines = [header, ",".join(units), *rows]
        yield draft.truth("header-two", data=draft.bytes_of(lines), header=both, header_lines=2)
    doubled = [clean.header[0], clean.header[0], *clean.header[2:]]
    yield Draft(replace(clean, header=doubled)).truth("header-duplicate")
    blank = [clean.header[0], "", *clean.header[2:]]
    yield Draft(replace(clean, header=blank)).truth("header-blank-name")
    upper = [name.upper() for name in clean.header]
    yield Draft(replace(clean, header=upper)).truth("header-upper")
    yield Draft(clean, before=["sep=,"]).truth("sep-line", preamble=None)


def around(clean: Clean, random: Random) -> Iterator[Polluted]:
    width = len(clean.header)
    title = "Monthly export of the records"
    wide_title = title + "," * (width - 1)
    for name, before in {
        "one": [title],
        "three": [title, "Created by: B. Miller", "Date: 2024-05-06"],
        "gap": [title, ""],
        "wide": [wide_title],
        "wide-gap": [wide_title, "," * (width - 1)],
        "comments": ["# exported by tool 1.2", "# time: 12:00, zone: UTC"],
        "commas": ["Report, May 2024, draft", "Ward 3, all patients", ""],
        "meta": ["Report:,Results", "Version:,3", "Made by:,B. Miller", ""],
    }.items():
        yield Draft(clean, before=before).truth(f"preamble-{name}", preamble=len(before))
    for name, after in {
        "note": ["", "Source: national registry of tests"],
        "stars": ["* values are preliminary", "** see the manual"],
        "total": ["Total" + "," * (width - 1) + "99"],
        "wide": [title + "," * (width - 1)],
        "count": ["", f"({len(clean.rows)} rows)"],
        "end": ["END OF FILE"],
    }.items():
        yield Draft(clean, after=after).truth(f"footer-{name}", footer=len(after))
    both = Draft(clean, before=[title, ""], after=["", "Source: us"])
    yield both.truth("preamble-and-footer")


def blanks(clean: Clean, random: Random) -> Iterator[Polluted]:
    draft = Draft(clean)
    lines = draft.lines()
    for name, line in (("blank", ""), ("space", "   "), ("empty", "," * (len(clean.header) - 1))):
        at = random.randint(2, len(lines) - 1)
        yield draft.truth(f"{name}-line", data=draft.bytes_of([*lines[:at], line, *lines[at:]]))
    doubled = [text for line in lines for text in (line, "")]
    yield draft.truth("blank-every", data=draft.bytes_of(doubled))
    at = random.randint(2, len(lines) - 1)
    comment = [*lines[:at], "# checked by hand", *lines[at:]]
    yield draft.truth("comment-inside", data=draft.bytes_of(comment))


def second_tables(clean: Clean, random: Random) -> Iterator[Polluted]:
    draft = Draft(clean)
    for name, gap in (("gap", [""]), ("close", []), ("titled", ["", "Second part", ""])):
        other = ["code,meaning", "H,high", "L,low", "N,normal", "X,unknown"]
        data = draft.bytes_of([*draft.lines(), *gap, *other])
        yield draft.truth(f"second-table-{name}", data=data, footer=None)


def rows_of_sales(clean: Clean, random: Random) -> Iterator[Polluted]:
    """One damaged row, where its cells can be told from the other rows."""
    if clean.name != "sales":
        return
    draft = Draft(clean)
    lines = draft.lines()
    for at in sorted(random.sample(range(len(lines)), min(14, len(lines)))):
        cells = [clean.header, *clean.rows][at]
        written = [draft.cell(text, col) for col, text in enumerate(cells)]
        for col in range(len(cells)):
            more = ",".join([*written[:col], "", *written[col:]])
            yield _row(draft, lines, at, more, f"more-{at}-{col}")
            if col and at:
                less = ",".join(written[:col]) + ",".join(written[col:])
                yield _row(draft, lines, at, less, f"less-{at}-{col}")
            quoted = [*written]
            body = quoted[col]
            quoted[col] = '""' + body[1:] if body.startswith('"') else '"' + body
            stray = [*cells]
            stray[col] = '"' + cells[col]
            made = _row(draft, lines, at, ",".join(quoted), f"quote-{at}-{col}")
            if at:
                rows = [*clean.rows]
                rows[at - 1] = stray
                yield replace(made, rows=rows)
            else:
                yield replace(made, header=stray)
        yield _row(draft, lines, at, " ".join(written), f"space-{at}")
        yield _row(draft, lines, at, ";".join(written), f"semicolon-{at}")


def _row(draft: Draft, lines: list[str], at: int, line: str, name: str) -> Polluted:
    changed = [*lines[:at], line, *lines[at + 1 :]]
    return draft.truth(f"row-{name}", data=draft.bytes_of(changed))


def rows_of_any(clean: Clean, random: Random) -> Iterator[Polluted]:
    """Short, long and badly quoted rows."""
    draft = Draft(clean)
    lines = draft.lines()
    width = len(clean.header)
    at = random.randint(3, len(lines) - 2)
    short = [*clean.rows]
    short[at - 1] = [*clean.rows[at - 1][: width - 2], "", ""]
    line = draft.line(clean.rows[at - 1][: width - 2])
    made = draft.truth("row-short", data=draft.bytes_of([*lines[:at], line, *lines[at + 1 :]]))
    yield replace(made, rows=short)
    line = lines[at] + ","
    yield draft.truth("row-trailing", data=draft.bytes_of([*lines[:at], line, *lines[at + 1 :]]))
    trailing = [lines[0], *(line + "," for line in lines[1:])]
    yield draft.truth("rows-trailing", data=draft.bytes_of(trailing))
    padded = [line.replace(",", " ,") if '"' not in line else line for line in lines]
    if fits(clean, ",", '"', "\n"):
        rows = [[*(c + " " for c in row[:-1]), row[-1]] for row in clean.rows]
        yield draft.truth(
            "padded",
            data=draft.bytes_of(padded),
            rows=rows,
            header=[*(c + " " for c in clean.header[:-1]), clean.header[-1]],
        )
    if clean.name == "notes":
        rows = [*clean.rows]
        rows[at - 1] = [rows[at - 1][0], "Eve", 'a "bad" quote, here', "open"]
        line = f'{rows[at - 1][0]},Eve,"a "bad" quote, here",open'
        bad = [*lines[:at], line, *lines[at + 1 :]]
        yield replace(draft.truth("row-inner-quote", data=draft.bytes_of(bad)), rows=rows)
        rows = [*clean.rows]
        rows[at - 1] = [rows[at - 1][0], "Eve", '"never closed', "open"]
        line = f'{rows[at - 1][0]},Eve,"never closed,open'
        bad = [*lines[:at], line, *lines[at + 1 :]]
        yield replace(draft.truth("row-unclosed", data=draft.bytes_of(bad)), rows=rows)
    if clean.name in ("patients", "labs"):
        rows = [*clean.rows]
        rows[at - 1] = [rows[at - 1][0], '5"', *rows[at - 1][2:]]
        pieces = [draft.cell(text, col) for col, text in enumerate(clean.rows[at - 1])]
        pieces[1] = '5"'
        bad = [*lines[:at], ",".join(pieces), *lines[at + 1 :]]
        yield replace(draft.truth("row-inch", data=draft.bytes_of(bad)), rows=rows)


def single_columns(clean: Clean, random: Random) -> Iterator[Polluted]:
    for at in (0, 1):
        if clean.name != "years" and fits(
            replace(clean, rows=[[row[at]] for row in clean.rows]), ",", ";", "\n"
        ):
            one = Clean(clean.name, [clean.header[at]], [[row[at]] for row in clean.rows])
            yield Draft(one, delimiter="").truth(f"one-column-{at}", delimiter=None)


POLLUTIONS: list[Pollution] = [
    delimiters,
    quoting,
    endings,
    encodings,
    headers,
    around,
    blanks,
    second_tables,
    rows_of_sales,
    rows_of_any,
    single_columns,
]


def collection(seed: int, count: int | None = None) -> list[Polluted]:
    """The whole labelled set of one seed; `count` rows a table, or a different number each."""
    random = Random(seed)
    made: list[Polluted] = []
    for kind in KINDS:
        clean = kind(random, count or random.choice([12, 30, 83]))
        for pollution in POLLUTIONS:
            made.extend(pollution(clean, random))
    return made


def plain_csv(header: list[str] | None, rows: list[list[str]]) -> str:
    """What a reader should write."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(([header] if header else []) + rows)
    return text.getvalue()


__all__ = ["Polluted", "collection", "plain_csv", "sales"]

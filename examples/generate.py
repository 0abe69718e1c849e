"""Mock exports with the truth beside them: `python -m examples.generate patients --rows 1000`.

Everything follows from the seed. Records are made in blocks of a hundred, so memory does not grow
with the number of rows; within a block faults, twins and ordinary records are shuffled.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.drafts import (
    SKIPPED,
    Delimiter,
    Draft,
    Fate,
    Layout,
    Style,
    Truth,
)
from examples.lab_results import LabResults
from examples.medications import Medications
from examples.patients import Patients
from examples.pen import MOST_PATIENTS, Pen
from examples.table import Fault, Table
from examples.vitals import Vitals

TABLES: dict[str, type[Table]] = {
    "patients": Patients,
    "vitals": Vitals,
    "lab_results": LabResults,
    "medications": Medications,
}
_BLOCK = 100


@dataclass(frozen=True, slots=True)
class Generated:
    """A whole export in memory, and what must become of each of its records."""

    text: bytes
    truth: list[Truth]


def generate(kind: str, rows: int, seed: int, *, style: Style | None = None) -> Generated:
    """Make an export of `rows` records (blank lines included) below its header."""
    style = style or Style()
    pieces = list(stream(kind, rows, seed, style))
    text = "".join(written for written, _ in pieces)
    return Generated(text.encode(style.encoding), [truth for _, truth in pieces if truth])


def stream(kind: str, rows: int, seed: int, style: Style) -> Iterator[tuple[str, Truth | None]]:
    """The header (without truth), then record by record, each with its line ending."""
    chance = random.Random(f"{kind} {seed}")
    table = TABLES[kind](Pen(chance, style), rows)
    header = {
        name: chance.choice(labels) if style.messy else labels[0]
        for name, labels in table.labels.items()
    }
    yield _line(table, Draft(cells=header), header, style, chance), None
    seen: set[int] = set()
    line = 2
    for record, draft in enumerate(_drafts(table, rows, chance, style), 1):
        written = _line(table, draft, header, style, chance)
        yield written, _truth(draft, record, line, seen)
        line += written.count("\n")


def _truth(draft: Draft, record: int, line: int, seen: set[int]) -> Truth:
    if draft.layout in SKIPPED:
        return Truth(record=record, line=line, fate=Fate.SKIPPED)
    if draft.codes:
        return Truth(record=record, line=line, fate=Fate.REJECTED, codes=draft.codes)
    if draft.twin is not None:
        if draft.twin in seen:
            seen.remove(draft.twin)  # twins come in pairs
            return Truth(record=record, line=line, fate=Fate.DUPLICATE)
        seen.add(draft.twin)
    return Truth(record=record, line=line, fate=Fate.WRITTEN, rows=draft.rows)


def _drafts(table: Table, rows: int, chance: random.Random, style: Style) -> Iterator[Draft]:
    index = itertools.count()
    if not style.messy:
        for _ in range(rows):
            yield table.draft(next(index))
        return
    oddities = _Oddities(table, chance, index)
    for start in range(0, rows, _BLOCK):
        size = min(_BLOCK, rows - start)
        block = oddities.of(size)
        block += [table.draft(next(index)) for _ in range(size - len(block))]
        chance.shuffle(block)
        yield from block


class _Oddities:
    """The records of a block that are not ordinary, kinds of them in turn."""

    def __init__(self, table: Table, chance: random.Random, index: Iterator[int]) -> None:
        self._table, self._index = table, index
        faults: list[Fault | Layout] = [*table.faults, "short", "long", "stray-quote"]
        chance.shuffle(faults)
        self._faults = itertools.cycle(faults)
        self._blanks = itertools.cycle(SKIPPED)
        self._takes_pair = itertools.cycle((True, False, False))

    def of(self, size: int) -> list[Draft]:
        """As many as a block of `size` records may have."""
        drafts: list[Draft] = []
        rejects = size * self._table.rejects_in_100 // 100
        while rejects > 0:
            wrong = self._wrong(rejects)
            drafts += wrong
            rejects -= len(wrong)
        for _ in range(size // 40):
            drafts += self._table.twins(next(self._index))
        drafts += [Draft(layout=next(self._blanks)) for _ in range(size // 50)]
        return drafts

    def _wrong(self, most: int) -> list[Draft]:
        if next(self._takes_pair) and most > 1:
            pair = self._table.conflict(next(self._index))
            if pair:
                return pair
        fault = next(self._faults)
        if isinstance(fault, Fault):
            return [self._table.faulty(next(self._index), fault)]
        return [
            Draft(cells=self._table.calm(next(self._index)), codes=(_CODE_OF[fault],), layout=fault)
        ]


_CODE_OF: dict[Layout, str] = {
    "short": "missing-cell",
    "long": "extra-cell",
    "stray-quote": "unbalanced-quote",
}


def _line(
    table: Table, draft: Draft, header: Mapping[str, str], style: Style, chance: random.Random
) -> str:
    """The record as it stands in the file, with its line ending."""
    dressed = chance.random() < 0.02 and style.messy  # some exports quote for no reason
    source = header if draft.layout == "header" else draft.cells
    cells = [_quoted(source.get(name, ""), style, always=dressed) for name in table.columns]
    match draft.layout:
        case "empty" | "spaces":
            cells = ["   " if draft.layout == "spaces" else ""]
        case "short":
            cells = cells[:-2]
        case "long":
            cells += ["surplus"]
        case "stray-quote":
            cells[2] = f'"{cells[2]}'
    return style.delimiter.join(cells) + style.line_ending


def _quoted(cell: str, style: Style, *, always: bool = False) -> str:
    special = any(sign in cell for sign in (style.delimiter, '"', "\n", "\r"))
    return '"' + cell.replace('"', '""') + '"' if special or always else cell


def write(kind: str, rows: int, seed: int, style: Style, directory: Path) -> tuple[Path, Path]:
    """Write KIND.csv and KIND.truth.csv, in constant memory.

    The truth has a line for each record, and a further one for each further row made of it:
    record, line, fate, codes, then the cells of the delivered row.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data, truth = directory / f"{kind}.csv", directory / f"{kind}.truth.csv"
    fields = TABLES[kind].fields
    with (
        data.open("w", encoding=style.encoding, newline="") as source,
        truth.open("w", encoding="utf-8", newline="") as beside,
    ):
        lines = csv.writer(beside, lineterminator="\n")
        lines.writerow(("record", "line", "fate", "codes", *fields))
        for written, told in stream(kind, rows, seed, style):
            source.write(written)
            if told is not None:
                head = (told.record, told.line, told.fate, " ".join(told.codes))
                for row in told.rows or ({},):
                    lines.writerow((*head, *(row.get(name, "") for name in fields)))
    return data, truth


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of `python -m examples.generate`."""
    parser = argparse.ArgumentParser(prog="python -m examples.generate", description=__doc__)
    parser.add_argument("kind", choices=sorted(TABLES))
    parser.add_argument("--rows", type=_count, default=1000, help="records to make")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--delimiter", choices=sorted(_DELIMITERS), default="comma")
    parser.add_argument("--encoding", choices=("utf-8", "utf-8-sig", "cp1252"), default="utf-8")
    parser.add_argument("--decimal-comma", action="store_true")
    parser.add_argument("--crlf", action="store_true", help="end lines as Windows does")
    parser.add_argument("--clean", action="store_true", help="plain spellings, no faults")
    given = parser.parse_args(arguments)
    style = Style(
        delimiter=_DELIMITERS[given.delimiter],
        encoding=given.encoding,
        decimal="," if given.decimal_comma else ".",
        line_ending="\r\n" if given.crlf else "\n",
        messy=not given.clean,
    )
    for path in write(given.kind, given.rows, given.seed, style, given.out):
        print(path)
    return 0


_DELIMITERS: dict[str, Delimiter] = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


def _count(text: str) -> int:
    count = int(text)
    if not 0 < count <= MOST_PATIENTS:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_PATIENTS}")
    return count


if __name__ == "__main__":
    sys.exit(main())

"""The example files and what must become of each: made here, used by README, demo and tests.

`python -m examples.files` writes them anew beside this module. Every person in them is invented.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from examples.drafts import Style
from examples.generate import generate

FOLDER = Path(__file__).parent

_AMBIGUOUS = """\
patient_id,last_name,first_name,date_of_birth,gender
PT-10001-01,Lovelace,Ada,10/12/1955,F
PT-10002-02,Turing,Alan,06/07/1962,M
PT-10003-03,Hopper,Grace,09/12/1986,F
PT-10004-04,Hamilton,Margaret,08/11/1976,F
PT-10005-05,Johnson,Katherine,03/02/1958,F
PT-10006-06,Dijkstra,Edsger,11/05/1970,M
"""
_HOPELESS = """\
day,starter,main course,dessert,price
Monday,Tomato soup,Lentil stew,Apple,6.50
Tuesday,Salad,Fish and rice,Yoghurt,7.20
Wednesday,Leek soup,Pasta bake,Plum cake,6.80
"""


@dataclass(frozen=True, slots=True)
class Example:
    """One example file.

    state is how its job must end, contract what it was taken for, and code why it was refused or
    what is asked first.
    """

    name: str
    make: Callable[[], bytes]
    state: str = "delivered"
    contract: str | None = None
    code: str | None = None


def _export(kind: str, rows: int, seed: int, style: Style | None = None) -> Callable[[], bytes]:
    return lambda: generate(kind, rows, seed, style=style).text


def _picture() -> bytes:
    """A PNG of eight by eight grey dots."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    dots = zlib.compress(b"".join(b"\0" + bytes(range(row, row + 64, 8)) for row in range(8)))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", dots), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


_PLAIN = Style(messy=False)
_GERMAN = Style(delimiter=";", decimal=",", encoding="cp1252", line_ending="\r\n")

EXAMPLES = (
    Example("clean_patients.csv", _export("patients", 20, 1, _PLAIN), "delivered", "patients"),
    Example("messy_patients.csv", _export("patients", 60, 2), "delivered", "patients"),
    Example("messy_lab_results.csv", _export("lab_results", 120, 3), "delivered", "lab_results"),
    Example("messy_vitals.csv", _export("vitals", 120, 4), "delivered", "vitals"),
    Example("medications.csv", _export("medications", 60, 9, _GERMAN), "delivered", "medications"),
    Example("ambiguous_dates.csv", _AMBIGUOUS.encode, "held", "patients", "DATE_AMBIGUOUS"),
    Example("hopeless.csv", _HOPELESS.encode, "quarantined", code="SCHEMA_UNKNOWN"),
    Example("scanned_form.csv", _picture, "quarantined", code="UNSUPPORTED"),
)


def write() -> None:
    """Write every example file into this package's folder."""
    for example in EXAMPLES:
        (FOLDER / example.name).write_bytes(example.make())


if __name__ == "__main__":
    write()

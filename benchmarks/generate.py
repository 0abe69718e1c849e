"""Make a messy registration export of any size, with the truth beside it. Same seed, same bytes.

A chunk of rows is first *meant* (facts), then *written* (spellings, padding, faults). The truth
knows both: what becomes of each record and what its cleaned cells are. It never reads the file.

    python -m benchmarks.generate 1000000 /tmp/bench   # patients-1000000.csv + .truth.parquet
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import words

CHUNK_ROWS = 200_000
Ints = npt.NDArray[np.int64]

LABELS = {
    "patient_id": "patient_id", "given_name": "first_name", "middle_name": "middle_name",
    "family_name": "last_name", "birth_date": "date_of_birth", "sex": "gender",
    "address_line": "address", "city": "city", "state": "state", "postal_code": "zip_code",
    "phone": "phone_number", "email": "email", "blood_type": "blood_type",
    "ethnicity": "ethnicity", "race": "race", "marital_status": "marital_status",
    "insurance_type": "insurance_type", "insurance_id": "insurance_id",
    "provider_name": "primary_care_provider", "provider_id": "provider_id",
}  # fmt: skip
"""Field of the contract -> label in the file, in the file's order."""

FIELDS = (
    "patient_id", "family_name", "given_name", "middle_name", "birth_date", "death_date", "sex",
    "address_line", "city", "state", "postal_code", "phone", "email", "blood_type", "race",
    "ethnicity", "marital_status", "insurance_type", "insurance_id", "provider_name",
    "provider_id",
)  # fmt: skip
"""Columns of the delivered table, in order."""

CODED = {
    "sex": words.SEX, "state": words.STATE, "blood_type": words.BLOOD,
    "ethnicity": words.ETHNICITY, "race": words.RACE, "marital_status": words.MARITAL,
}  # fmt: skip
FAULTS = (
    ("birth_date", "02/30/1985", "impossible-date"),
    ("birth_date", "1987-13-01", "impossible-date"),
    ("birth_date", "unknown", "type-error"),
    ("birth_date", "05/1980", "partial-date"),
    ("birth_date", "", "required"),
    ("birth_date", "2091-04-05", "row-constraint"),
    ("birth_date", "1850-01-01", "constraint-error"),
    ("sex", "Z9", "code-unknown"),
    ("state", "ZZ", "code-unknown"),
    ("blood_type", "C+", "code-unknown"),
    ("marital_status", "it is complicated", "code-unknown"),
    ("postal_code", "2134", "pattern"),
    ("email", "jane.doe(at)example.com", "pattern"),
    ("patient_id", "", "required"),
    ("patient_id", "#12", "pattern"),
    ("family_name", " ", "required"),
)
"""What makes a record unfit: field, cell, reject code."""
NO_FIELD = frozenset({"row-constraint"})  # codes that are about the row, not one field

FAULTY = 0.006
IDENTICAL, LESS, SPLIT, CONFLICT = 0.010, 0.003, 0.001, 0.0003
"""Shares of rows that repeat another: all the same; with a cell left out; two halves of one; a
different person under the same number."""
REPEATED_HEADER_EVERY = 100_000


@dataclass(slots=True)
class Facts:
    """What the rows of a chunk mean: numbers that stand for words, by field; -1 is no value."""

    of: dict[str, Ints]

    def copy_row(self, source: Ints, target: Ints) -> None:
        """Let `target` rows mean what `source` rows mean."""
        for values in self.of.values():
            values[target] = values[source]


@dataclass(slots=True)
class Fates:
    """What becomes of the rows of a chunk, and where."""

    fate: npt.NDArray[np.object_]
    field: npt.NDArray[np.object_]
    code: npt.NDArray[np.object_]


_FAMILY = tuple(dict.fromkeys(a + b for a in words.FAMILY_STEMS for b in words.FAMILY_ENDS))
_POOLS: dict[str, tuple[str, ...]] = {
    "family_name": _FAMILY,
    "given_name": words.GIVEN,
    "middle_name": words.MIDDLE,
    "city": words.CITIES,
    "insurance_type": words.INSURANCE,
    **{name: tuple(spellings) for name, spellings in CODED.items()},
}
_DECOMPOSED = frozenset({"given_name", "family_name", "city", "provider_name"})
_EPOCH = np.datetime64("1970-01-01")
_FIRST_BIRTH, _LAST_BIRTH = (
    int((np.datetime64(day) - _EPOCH).astype(int)) for day in ("1920-01-01", "2022-01-01")
)
_MAY_BE_MISSING = (
    "sex", "address_line", "city", "state", "postal_code", "phone", "email", "blood_type",
    "ethnicity", "race", "marital_status", "insurance_type", "insurance_id", "provider_name",
    "provider_id",
)  # fmt: skip


def _facts(chance: np.random.Generator, first: int, rows: int) -> Facts:
    of: dict[str, Ints] = {}
    of["patient_id"] = (np.arange(first, first + rows) * 2_654_435_761) % 100_000_000
    for name, pool in _POOLS.items():
        of[name] = chance.integers(0, len(pool), rows)
    of["birth_date"] = chance.integers(_FIRST_BIRTH, _LAST_BIRTH, rows)
    of["address_line"] = chance.integers(0, 9_999 * _ADDRESSES, rows)
    of["postal_code"] = chance.integers(501, 99_951, rows) * 10_000
    of["postal_code"] += np.where(chance.random(rows) < 0.2, chance.integers(1, 9_999, rows), 0)
    area, office = chance.integers(0, 4, rows), chance.integers(220, 999, rows)
    of["phone"] = (np.array([405, 340, 212, 617])[area] * 1_000 + office) * 10_000
    of["phone"] += chance.integers(0, 10_000, rows)
    of["email"] = chance.integers(0, 10_000 * len(words.MAIL_HOSTS), rows)
    of["insurance_id"] = chance.integers(100_000, 999_999, rows)
    of["provider_name"] = chance.integers(0, 2 * len(words.GIVEN) * 40, rows)
    of["provider_id"] = chance.integers(10_000, 99_999, rows)
    for name in _MAY_BE_MISSING:
        of[name][chance.random(rows) < 0.03] = -1
    of["middle_name"][chance.random(rows) < 0.2] = 0
    return Facts(of)


_ADDRESSES = len(words.STREETS) * len(words.BEHIND_STREET)


def _fates(chance: np.random.Generator, facts: Facts, rows: int) -> tuple[Fates, Ints]:
    """Choose which rows are faulty or repeat others; returns also the fault of each, -1 none."""
    fates = Fates(*(np.full(rows, value, dtype=object) for value in ("written", "", "")))
    fault = np.where(chance.random(rows) < FAULTY, chance.integers(0, len(FAULTS), rows), -1)
    for place, (name, _, code) in enumerate(FAULTS):
        at = np.flatnonzero(fault == place)
        fates.fate[at], fates.code[at] = "rejected", code
        fates.field[at] = "" if code in NO_FIELD else name
    free = chance.permutation(np.flatnonzero(fault < 0))
    for share, repeat in ((IDENTICAL, _same), (LESS, _less), (SPLIT, _split), (CONFLICT, _other)):
        several = int(rows * share)
        pairs, free = np.sort(free[: 2 * several].reshape(-1, 2), axis=1), free[2 * several :]
        facts.copy_row(pairs[:, 0], pairs[:, 1])
        repeat(facts, fates, pairs[:, 0], pairs[:, 1])
    return fates, fault


def _same(facts: Facts, fates: Fates, first: Ints, second: Ints) -> None:
    fates.fate[second] = "duplicate"


def _less(facts: Facts, fates: Fates, first: Ints, second: Ints) -> None:
    """The first stays: it says what the second leaves out."""
    facts.of["city"][first] = np.maximum(facts.of["city"][first], 0)
    facts.of["city"][second] = -1
    fates.fate[second] = "duplicate"


def _split(facts: Facts, fates: Fates, first: Ints, second: Ints) -> None:
    """Each half lacks what the other has; the first stays and is filled, see `_filled`."""
    for name, lacking in (("city", first), ("insurance_type", second)):
        facts.of[name][first] = np.maximum(facts.of[name][first], 0)
        facts.of[name][second] = facts.of[name][first]
        facts.of[name][lacking] = (
            -2 - facts.of[name][first]
        )  # written as nothing, known all the same
    fates.fate[second] = "duplicate"


def _other(facts: Facts, fates: Fates, first: Ints, second: Ints) -> None:
    """Two persons under one number: neither is believed."""
    pool = len(_POOLS["family_name"])
    facts.of["family_name"][second] = (facts.of["family_name"][first] + pool // 2) % pool
    both = np.concatenate((first, second))
    fates.fate[both], fates.code[both], fates.field[both] = (
        "rejected",
        "key-conflict",
        "family_name",
    )


def _texts(numbers: Ints, width: int = 0) -> pa.StringArray:
    texts = pa.array(numbers).cast(pa.string())
    return pc.utf8_lpad(texts, width, "0") if width else texts


def _taken(pool: Sequence[str], places: Ints) -> pa.StringArray:
    return pa.array(pool, pa.string()).take(pa.array(places))


def _joined(*parts: pa.StringArray | str) -> pa.StringArray:
    return pc.binary_join_element_wise(*parts, "")


def _choose(chance: np.random.Generator, rows: int, forms: Mapping[float, pa.Array]) -> pa.Array:
    """One of several spellings for each row; the keys are cumulative shares, the last is 1."""
    dice = chance.random(rows)
    spelled = None
    for share in sorted(forms, reverse=True):
        form = forms[share]
        spelled = form if spelled is None else pc.if_else(pa.array(dice < share), form, spelled)
    return spelled


def _dates(days: Ints, chance: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    moments = days.astype("M8[D]")
    years = moments.astype("M8[Y]").astype(np.int64) + 1970
    months = moments.astype("M8[M]").astype(np.int64) % 12 + 1
    day = days - moments.astype("M8[M]").astype("M8[D]").astype(np.int64) + 1
    year_text, month_text, day_text = _texts(years), _texts(months, 2), _texts(day, 2)
    names = _taken(words.MONTHS, months - 1)
    clean = pc.binary_join_element_wise(year_text, month_text, day_text, "-")
    forms = {
        0.5: clean,
        0.8: pc.binary_join_element_wise(month_text, day_text, year_text, "/"),
        0.9: pc.binary_join_element_wise(_texts(day), names, year_text, "-"),
        1.0: _joined(names, " ", _texts(day), ", ", year_text),
    }
    return clean, _choose(chance, len(days), forms)


def _phones(numbers: Ints, chance: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    digits = _texts(np.maximum(numbers, 0), 10)
    area, office, line = (
        pc.utf8_slice_codeunits(digits, *ends) for ends in ((0, 3), (3, 6), (6, 10))
    )
    forms = {
        0.4: _joined("(", area, ") ", office, "-", line),
        0.6: pc.binary_join_element_wise(area, office, line, "."),
        0.75: pc.binary_join_element_wise(area, office, line, "-"),
        0.85: digits,
        0.95: _joined("+1-", area, "-", office, "-", line),
        1.0: _joined("1 (", area, ") ", office, "-", line),
    }
    return _joined("+1", digits), _choose(chance, len(numbers), forms)


def _zips(numbers: Ints, chance: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    numbers = np.maximum(numbers, 0)
    five, four = _texts(numbers // 10_000, 5), _texts(numbers % 10_000, 4)
    is_long = pa.array(numbers % 10_000 > 0)
    clean = pc.if_else(is_long, _joined(five, "-", four), five)
    bare = pc.if_else(is_long, _joined(five, four), five)
    return clean, _choose(chance, len(numbers), {0.7: clean, 1.0: bare})


def _mails(facts: Facts, chance: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    numbers = np.maximum(facts.of["email"], 0)
    local = _joined("user", _texts(facts.of["patient_id"]), ".", _texts(numbers // 4))
    host = _taken(words.MAIL_HOSTS, numbers % 4)
    clean = _joined(local, "@", host)
    loud = _joined(local, "@", pc.ascii_upper(host))
    return clean, _choose(chance, len(numbers), {0.95: clean, 1.0: loud})


def _addresses(numbers: Ints) -> pa.Array:
    numbers = np.maximum(numbers, 0)
    place = numbers % _ADDRESSES
    street = _taken(words.STREETS, place // len(words.BEHIND_STREET))
    behind = _taken(words.BEHIND_STREET, place % len(words.BEHIND_STREET))
    plain = _joined(_texts(numbers // _ADDRESSES + 1), " ", street, behind)
    broken = _joined(_texts(numbers // _ADDRESSES + 1), "\n", street)
    return pc.if_else(pa.array(numbers % 499 == 0), broken, plain)


def _doctors(numbers: Ints) -> pa.Array:
    numbers = np.maximum(numbers, 0)
    titles = _taken(("Dr. ", ""), numbers % 2)
    given = _taken(words.GIVEN, numbers // 2 % len(words.GIVEN))
    return _joined(titles, given, " ", _taken(_FAMILY, numbers // 2 // len(words.GIVEN)))


def _coded(name: str, places: Ints, chance: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    spellings = list(CODED[name].values())
    most = max(map(len, spellings))
    padded = [(*several, *[several[0]] * (most - len(several))) for several in spellings]
    pool = [spelling for several in padded for spelling in several]
    places = np.maximum(places, 0)
    spelled = _taken(pool, places * most + chance.integers(0, most, len(places)))
    return _taken(tuple(CODED[name]), places), spelled


def _render(facts: Facts, chance: np.random.Generator) -> dict[str, tuple[pa.Array, pa.Array]]:
    """(clean, written) by field, before what is missing, padded or at fault."""
    of = facts.of
    same = {
        "patient_id": _joined("PT-", _texts(of["patient_id"], 8)),
        "family_name": _taken(_FAMILY, of["family_name"]),
        "given_name": _taken(words.GIVEN, of["given_name"]),
        "middle_name": _taken(words.MIDDLE, of["middle_name"]),
        "address_line": _addresses(of["address_line"]),
        "city": _taken(words.CITIES, np.maximum(of["city"], 0)),
        "insurance_type": _taken(words.INSURANCE, np.maximum(of["insurance_type"], 0)),
        "insurance_id": _joined("INS-", _texts(of["insurance_id"], 6)),
        "provider_name": _doctors(of["provider_name"]),
        "provider_id": _joined("PROV", _texts(np.maximum(of["provider_id"], 0))),
    }
    rendered = {name: (texts, texts) for name, texts in same.items()}
    rendered["birth_date"] = _dates(of["birth_date"], chance)
    rendered["phone"] = _phones(of["phone"], chance)
    rendered["postal_code"] = _zips(of["postal_code"], chance)
    rendered["email"] = _mails(facts, chance)
    for name in CODED:
        rendered[name] = _coded(name, of[name], chance)
    return rendered


def _filled(facts: Facts, rendered: dict[str, tuple[pa.Array, pa.Array]]) -> None:
    """A half that stays takes over what its other half says."""
    for name in ("city", "insurance_type"):
        known = np.where(facts.of[name] < -1, -2 - facts.of[name], np.maximum(facts.of[name], 0))
        rendered[name] = (_taken(_POOLS[name], known), rendered[name][1])


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows: the file's text, and the truth as a table with a row for each record."""

    text: bytes
    truth: pa.RecordBatch
    lines: int


def chunks(rows: int, seed: int = 5) -> Iterator[Chunk]:
    """The file in pieces of CHUNK_ROWS records."""
    line = 2
    for number, first in enumerate(range(0, rows, CHUNK_ROWS)):
        chunk = _chunk(
            np.random.default_rng([seed, number]), first, min(CHUNK_ROWS, rows - first), line
        )
        line += chunk.lines
        yield chunk


def _chunk(chance: np.random.Generator, first: int, rows: int, line: int) -> Chunk:
    facts = _facts(chance, first, rows)
    fates, fault = _fates(chance, facts, rows)
    rendered = _render(facts, chance)
    _filled(facts, rendered)
    clean: dict[str, pa.Array] = {}
    written: dict[str, pa.Array] = {}
    for name in LABELS:
        clean[name], written[name] = _worn(name, facts.of[name], *rendered[name], chance)
        for place, (field, cell, _) in enumerate(FAULTS):
            if field == name:
                written[name] = pc.if_else(pa.array(fault == place), cell, written[name])
    numbers = np.arange(first, first + rows)
    headers = numbers // REPEATED_HEADER_EVERY
    again = headers - _headers_before(first)
    lines, several = _lines(written, line)
    truth = _truth(clean, fates, numbers + headers + 1, lines + again)
    text = _with_headers(_records(written), first, rows)
    return Chunk(text, truth, several + int(again[-1]))


def _worn(
    name: str, fact: Ints, clean: pa.Array, written: pa.Array, chance: np.random.Generator
) -> tuple[pa.Array, pa.Array]:
    """Take out what is missing; wear some cells as their way here does."""
    rows = len(fact)
    stated = pc.not_equal(clean, "")
    missing = chance.integers(0, len(words.MISSING), rows)
    if name in _MAY_BE_MISSING:
        is_out = pa.array(fact < 0)
        half = pa.array(fact < -1)
        written = pc.if_else(is_out, _taken(words.MISSING, missing), written)
        stated = pc.and_(stated, pc.or_(pc.invert(is_out), half))
    written = _choose(
        chance,
        rows,
        {
            0.020: _joined(" ", written, "  "),
            0.024: _joined(written, "\u00a0"),  # as it comes out of web pages
            0.027: _joined("\u200b", written),  # as it comes out of chat programs
            0.060: pc.utf8_normalize(written, "NFD") if name in _DECOMPOSED else written,
            1.000: written,
        },
    )
    return pc.if_else(stated, clean, pa.scalar(None, pa.string())), written


def _lines(written: dict[str, pa.Array], line: int) -> tuple[Ints, int]:
    """First physical line of each record, and how many lines the chunk has."""
    breaks = np.asarray(pc.count_substring(written["address_line"], "\n")).astype(np.int64) + 1
    starts = np.concatenate(([0], np.cumsum(breaks)))
    return starts[:-1] + line, int(starts[-1])


def _quoted(cells: pa.Array) -> pa.Array:
    special = pc.match_substring_regex(cells, '[,"\n]')
    if special.true_count == 0:
        return cells
    doubled = pc.replace_substring(cells, '"', '""')
    return pc.if_else(special, _joined('"', doubled, '"'), cells)


def _records(written: dict[str, pa.Array]) -> pa.Array:
    cells = [_quoted(written[name]) for name in LABELS]
    cells[-1] = _joined(cells[-1], "\n")
    return pc.binary_join_element_wise(*cells, ",")


def header() -> str:
    """The file's first line, which some exports repeat between the rows."""
    return ",".join(LABELS.values()) + "\n"


def _headers_before(first: int) -> int:
    """How many repeated headers stand before the text of the chunk that begins at row `first`."""
    return max(first - 1, 0) // REPEATED_HEADER_EVERY


def _with_headers(records: pa.Array, first: int, rows: int) -> bytes:
    """The chunk's text; the header stands again before each row whose number is a multiple."""
    places = list(range(-first % REPEATED_HEADER_EVERY, rows, REPEATED_HEADER_EVERY))
    pieces: list[bytes] = []
    for begin, stop in pairwise([0, *places, rows]):
        pieces += [_bytes(records.slice(begin, stop - begin)), header().encode()]
    text = pieces[:-1]
    if first == 0:
        del text[:2]  # the file's own header is written first
    return b"".join(text)


def _bytes(texts: pa.Array) -> bytes:
    if not len(texts):
        return b""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[texts.offset :]
    text: bytes = data[int(ends[0]) : int(ends[len(texts)])].to_pybytes()
    return text


def _truth(clean: dict[str, pa.Array], fates: Fates, records: Ints, lines: Ints) -> pa.RecordBatch:
    rows = len(records)
    columns = {
        "record": pa.array(records),
        "line": pa.array(lines),
        "fate": pa.array(fates.fate, pa.string()),
        "field": pa.array(fates.field, pa.string()),
        "code": pa.array(fates.code, pa.string()),
    }
    columns |= {name: clean.get(name, pa.nulls(rows, pa.string())) for name in FIELDS}
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def generate(folder: Path, rows: int, seed: int = 5) -> tuple[Path, Path]:
    """Write `patients-<rows>.csv` and its truth; files of an earlier run are used again."""
    source = folder / f"patients-{rows}-{seed}.csv"
    truth = folder / f"patients-{rows}-{seed}.truth.parquet"
    if source.exists() and truth.exists():
        return source, truth
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = truth.with_suffix(".part")
    writer: pq.ParquetWriter | None = None
    with source.with_suffix(".part").open("wb") as file:
        file.write(header().encode())
        for chunk in chunks(rows, seed):
            file.write(chunk.text)
            if writer is None:
                writer = pq.ParquetWriter(unfinished, chunk.truth.schema)
            writer.write_batch(chunk.truth)
    if writer is not None:
        writer.close()
    unfinished.rename(truth)
    source.with_suffix(".part").rename(source)
    return source, truth


if __name__ == "__main__":
    print(*generate(Path(sys.argv[2]), int(sys.argv[1])), sep="\n")

"""Clean tables of several kinds, filled by a seeded generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

FIRST = [
    "Anna",
    "Ben",
    "Carla",
    "David",
    "Eve",
    "Felix",
    "Greta",
    "Hugo",
    "Ida",
    "Jan",
    "Kim",
    "Lena",
    "Max",
    "Nora",
    "Otto",
    "Paul",
]
LAST = [
    "Meyer",
    "Smith",
    "O'Brien",
    "Garcia",
    "Novak",
    "Rossi",
    "D'Arcy",
    "Jones",
    "Klein",
    "Larsen",
    "Moore",
    "Fisher",
]
CITIES = ["Berlin", "New York", "San Jose", "Oslo", "Leeds", "Stoke-on-Trent", "Rome", "Lyon"]
ITEMS = ["Running Jacket", "Switch Fly Rods", "Hiking Boots", "Men's Trail Shoes", "Water Bottle",
         "Tent, two persons", "Sleeping Bag", "Camp Stove"]  # fmt: skip
WORDS = [
    "light",
    "rugged",
    "and",
    "very",
    "comfortable",
    "gear",
    "for",
    "warm",
    "dry",
    "days",
    "it",
    "keeps",
    "you",
    "visible",
    "from",
    "early",
    "morning",
    "to",
    "late",
    "evening",
    "with",
    "durable",
    "construction",
    "and",
    "soft",
    "inner",
    "lining",
]


@dataclass(frozen=True)
class Clean:
    """A table before anything happened to it. quoted: columns that are always quoted."""

    name: str
    header: list[str]
    rows: list[list[str]]
    quoted: frozenset[int] = frozenset()


def _date(random: Random) -> tuple[int, int, int]:
    return random.randint(2001, 2024), random.randint(1, 12), random.randint(1, 28)


def _sentence(random: Random, comma: float = 0.7) -> str:
    words = [random.choice(WORDS) for _ in range(random.randint(8, 24))]
    if random.random() < comma:
        words[4] += ","
    if random.random() < 0.4:
        words[2] += "."
        words[3] = words[3].capitalize()
    return " ".join(words).capitalize() + "."


def sales(random: Random, count: int) -> Clean:
    rows = []
    for at in range(count):
        year, month, day = _date(random)
        code = f"{random.choice('ABMR')}{random.choice('GIS')}-{random.randint(1000, 9999)}"
        rows.append(
            [
                f"{day:02}/{month:02}/{year}",
                f"{at // 4 % 24:02}:{at % 4 * 15:02}",
                str(random.randint(0, 12)),
                code,
                f"${random.randint(500, 19999) / 100:.2f}",
                random.choice(ITEMS).replace(",", ""),
                _sentence(random),
                f"https://shop.example.com/item/{code.lower()}.html",
                random.choice(["", "", "", "gift", "return"]),
            ]
        )
    header = ["DATE", "TIME", "Qty", "ITEMID", "Price", "Kind", "Description", "Link", "Notes"]
    return Clean("sales", header, rows, frozenset((6, 7)))


def patients(random: Random, count: int) -> Clean:
    rows = []
    for at in range(count):
        year, month, day = _date(random)
        rows.append(
            [
                f"PT-{1000 + at}",
                random.choice(LAST),
                random.choice(FIRST),
                f"{year}-{month:02}-{day:02}",
                random.choice(["F", "M", "X"]),
                random.choice(CITIES),
                f"{random.randint(10, 99999):05}",
            ]
        )
    return Clean("patients", ["patient_id", "last_name", "first_name", "dob", "sex", "city", "zip"],
                 rows)  # fmt: skip


def labs(random: Random, count: int) -> Clean:
    rows = []
    tests = [("Sodium", "mmol/L"), ("Glucose", "mg/dL"), ("Hemoglobin, blood", "g/dL")]
    for at in range(count):
        test, unit = random.choice(tests)
        year, month, day = _date(random)
        rows.append(
            [
                str(50_000 + at),
                f"PT-{random.randint(1000, 1999)}",
                test,
                random.choice(
                    [f"{random.randint(10, 1500) / 10}", "<0.5", f"{random.randint(1, 9)}.2"]
                ),
                unit,
                f"{year}-{month:02}-{day:02} {random.randint(0, 23):02}:{random.randint(0, 59):02}",
                random.choice(["final", "preliminary"]),
                random.choice(["H", "L", ""]),
            ]
        )
    return Clean(
        "labs",
        ["result id", "patient", "test", "value", "unit", "taken at", "status", "flag"],
        rows,
    )


def finance(random: Random, count: int) -> Clean:
    """German: decimal commas, dates with points."""
    rows = []
    for _ in range(count):
        year, month, day = _date(random)
        amount = f"{random.randint(100, 999999) / 100:.2f}".replace(".", ",")
        rows.append(
            [
                f"{day:02}.{month:02}.{year}",
                random.choice(
                    ["Miete", "Gehalt", "Bäckerei Müller", "Stadtwerke Köln", "Übertrag"]
                ),
                f"DE{random.randint(10**19, 10**20 - 1)}",
                random.choice(["", "-"]) + amount,
                "EUR",
            ]
        )
    return Clean("finance", ["Datum", "Empfänger", "IBAN", "Betrag", "Währung"], rows)


def sensors(random: Random, count: int) -> Clean:
    rows = [
        [str(1_600_000_000 + 60 * at), *(f"{random.gauss(20, 4):.3f}" for _ in range(4))]
        for at in range(count)
    ]
    return Clean("sensors", ["timestamp", "temp_1", "temp_2", "humidity", "pressure"], rows)


def notes(random: Random, count: int) -> Clean:
    """Free text with line breaks, quotes and JSON in cells."""
    rows = []
    for at in range(count):
        text = _sentence(random)
        kind = random.random()
        if kind < 0.2:
            text = text.replace(" and ", "\n", 1) + "\nsecond line, with comma"
        elif kind < 0.4:
            text = 'He said "' + text[:20] + '" and left'
        elif kind < 0.5:
            text = '{"a": 1, "b": ["x", "y"]}'
        rows.append([str(at + 1), random.choice(FIRST), text, random.choice(["open", "closed"])])
    return Clean("notes", ["id", "author", "text", "state"], rows)


def people(random: Random, count: int) -> Clean:
    """All text."""
    rows = [
        [random.choice(FIRST), random.choice(LAST), random.choice(CITIES),
         random.choice(["nurse", "doctor", "clerk", "cook"])]
        for _ in range(count)
    ]  # fmt: skip
    return Clean("people", ["First name", "Surname", "City", "Job"], rows)


def wide(random: Random, count: int) -> Clean:
    columns = 24
    rows = [
        [f"S{at:03}", *(str(random.randint(0, 500)) for _ in range(columns - 1))]
        for at in range(count)
    ]
    return Clean("wide", ["sample", *(f"gene_{at}" for at in range(1, columns))], rows)


def years(random: Random, count: int) -> Clean:
    """Years as names of columns."""
    rows = [
        [city, *(f"{random.randint(1000, 99999) / 10:.1f}" for _ in range(6))]
        for city in (CITIES * 20)[:count]
    ]
    return Clean("years", ["Region", *(str(year) for year in range(2015, 2021))], rows)


KINDS: list[Callable[[Random, int], Clean]] = [
    sales, patients, labs, finance, sensors, notes, people, wide, years,
]  # fmt: skip

"""What detection does for many cells or rows at once is what it would do for each, the long way."""

from __future__ import annotations

import math
from collections import Counter
from itertools import groupby
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.formats.raw import mending
from pipeline.formats.raw.align import Aligner
from pipeline.formats.raw.candidates import Sample, dialects, even_marks
from pipeline.formats.raw.celltypes import (
    kind_of,
    kind_of_shape,
    mask_of,
    masks_of,
    nines_of,
    one_kind,
    short_mask,
)
from pipeline.formats.raw.choose import choose
from pipeline.formats.raw.codepages import _contexts
from pipeline.formats.raw.columns import ColumnModel, models_of
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.eastern import _pairs
from pipeline.formats.raw.lexer import Lexer, Lines
from pipeline.formats.raw.mending import Mender
from pipeline.formats.raw.reading import read_text
from pipeline.formats.raw.records import Records
from pipeline.formats.raw.scoring import score

CELLS = st.one_of(
    st.from_regex(r"-?[0-9]{1,4}([.,][0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", fullmatch=True),
    st.from_regex(r"[A-Za-z]{1,4}[-_]?[0-9]{1,4}", fullmatch=True),
    st.from_regex(r"[A-Za-z]{1,6}( [A-Za-z]{1,6}){0,3}", fullmatch=True),
    st.sampled_from(["NA", "nan", "½", "²", "Jan-2024", "a\nb", "x" * 201, "Ärzte", "10:30", "µ"]),
    st.text(min_size=1, max_size=6),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CELLS.map(str.strip).filter(bool), min_size=1, max_size=8, unique=True))
def test_the_kind_told_for_many_cells_is_the_kind_of_each(cells: list[str]) -> None:
    told = one_kind(cells)

    assert told is None or {told} == set(map(kind_of, cells))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [("1 -2 3,5", "N"), ("2024-01-02 2023-12-31", "D"), ("Bern Köln", "W"), ("A-1 bed_7", "C")],
)
def test_plain_columns_are_told_at_once(cells: str, kind: str) -> None:
    assert one_kind(cells.split()) == kind


@settings(max_examples=100, deadline=None)
@given(st.lists(CELLS.map(str.strip).filter(bool), min_size=1, max_size=8))
def test_masks_of_many_cells_are_the_masks_of_each(cells: list[str]) -> None:
    model = ColumnModel(cells)

    assert masks_of(cells) == list(map(mask_of, cells))
    assert model.shorts == Counter(short_mask(cell) for cell in cells if len(cell) <= 40)


@given(st.text(alphabet="aBc1.9 -", max_size=20))
def test_a_short_mask_has_no_repeats(cell: str) -> None:
    assert short_mask(cell) == "".join(key for key, _ in groupby(mask_of(cell)))


@settings(max_examples=200, deadline=None)
@given(st.lists(CELLS, max_size=6))
def test_the_kind_of_a_cell_does_not_depend_on_which_digits_it_has(cells: list[str]) -> None:
    assert list(map(kind_of_shape, nines_of(cells))) == list(map(kind_of_shape, cells))


@settings(max_examples=60, deadline=None)
@given(st.lists(CELLS, min_size=4, max_size=12), st.lists(CELLS, min_size=1, max_size=6))
def test_cells_weighed_together_weigh_what_each_does_alone(
    known: list[str], asked: list[str]
) -> None:
    column = ColumnModel(known)

    assert column.fits(asked) == [ColumnModel(known).fit(cell) for cell in asked]
    assert max(column.fits(asked)) <= column.best + 1e-9


DIALECTS = [
    RawDialect(",", '"'),
    RawDialect(",", '"', skip_space=True),
    RawDialect("||", '"'),
    RawDialect(" ", '"'),
    RawDialect("", '"'),
    RawDialect(None, '"'),
    RawDialect(",", "'", "\\"),
    RawDialect("|", '"', skip_space=True, padded=True),
    RawDialect(",", None),
]


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@settings(max_examples=120, deadline=None)
@given(texts=st.lists(st.text(alphabet="ab ,\"|\\'\x1f", max_size=12), max_size=6))
def test_records_are_read_together_as_each_the_long_way(
    dialect: RawDialect, texts: list[str]
) -> None:
    lines = Lines.of("\n".join([*texts, "a"]))
    long = Lexer(dialect)
    long._quick = None
    long._unquoted_cells = lambda text: []  # type: ignore[method-assign]

    assert list(Records.of(dialect, lines)) == list(long.records(lines))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet='a1 ,;"', min_size=1, max_size=9), min_size=1, max_size=8))
def test_the_best_reading_and_its_rival_are_those_of_all_readings_judged(texts: list[str]) -> None:
    lines = Lines.of("\n".join(texts))
    full = [text for text in lines.texts if text.strip()]
    if not full:
        return
    told = choose(lines)
    sample = Sample(full)
    every = [score(dialect, lines, even_marks(sample)) for dialect in dialects(sample)]
    others = [one.total for one in every if one.dialect.delimiter != told.dialect.delimiter]

    assert told.best.total == max(one.total for one in every)
    assert told.rival is None or told.rival.total in others


@pytest.mark.parametrize("kana", [False, True])
def test_pairs_of_bytes_are_counted_as_a_walk_over_the_bytes_counts_them(kana: bool) -> None:
    random = Random(7)
    for _ in range(200):
        data = bytes(random.choice(b"a\n\x41\x82\xa1\xb1\xdf\xe0") for _ in range(30))
        found = _pairs(data, kana=kana)

        assert (found.counts, found.alone, found.glued, found.single) == walked(data, kana)


def walked(data: bytes, kana: bool) -> tuple[Counter[tuple[int, int]], int, int, int]:
    counts: Counter[tuple[int, int]] = Counter()
    alone = glued = single = at = before = 0
    while at < len(data):
        byte = data[at]
        if byte < 0x80 or (kana and 0xA1 <= byte <= 0xDF):
            before, alone = (byte, alone) if byte < 0x80 else (before, alone + 1)
            at += 1
            continue
        trail = data[at + 1] if at + 1 < len(data) else 0xA1
        counts[byte, trail] += 1
        glued += 97 <= before <= 122 and trail < 0x80
        single += before != 0x80 and not (at + 2 < len(data) and data[at + 2] >= 0x80)
        before = 0x80
        at += 2
    return counts, alone, glued, single


# rows laid over columns: the way that is found leaving out what cannot be it, and all ways tried

WORDS = ("north ward", "south", "Dr. Hill, on call", "x", "")


def table(random: Random, width: int, count: int) -> list[list[str]]:
    kinds = [random.randrange(4) for _ in range(width)]
    return [[value(random, kind) for kind in kinds] for _ in range(count)]


def value(random: Random, kind: int) -> str:
    if kind == 0:
        return str(random.randint(1, 9999))
    if kind == 1:
        return f"20{random.randint(10, 24)}-0{random.randint(1, 9)}-1{random.randint(0, 9)}"
    return f"P-{random.randint(10, 99)}" if kind == 2 else random.choice(WORDS)


def damaged(random: Random, cells: list[str]) -> list[str]:
    cells, at = list(cells), random.randrange(len(cells) - 1)
    fault = random.randrange(4)
    if fault == 0:
        cells[at : at + 2] = [cells[at] + cells[at + 1]]
    elif fault == 1:
        cells.insert(at, "")
    elif fault == 2:
        del cells[at]
    else:
        cells[at : at + 1] = [cells[at][:2], " " + cells[at][2:]]
    return cells


def every_way(models: list[ColumnModel], cells: list[str], joiner: str, merge: float) -> float:
    """The fit of the likeliest way, by trying all of them."""
    width, count = len(models), len(cells)
    best = {(0, 0): 0.0}
    slack = abs(count - width) + 2
    for i in range(count + 1):
        for j in range(max(0, i - slack), min(width, i + slack) + 1):
            if (i, j) in best:
                for di, dj, gain in moves(models, cells, i, j, joiner, merge):
                    key, total = (i + di, j + dj), best[i, j] + gain
                    best[key] = max(best.get(key, -math.inf), total)
    return best[count, width]


def moves(
    models: list[ColumnModel], cells: list[str], i: int, j: int, joiner: str, merge: float
) -> list[tuple[int, int, float]]:
    width, left = len(models), len(cells) - i
    if j == width:
        return [(1, 0, behind_the_last(cells, i, width))] if left else []
    if not left:
        return [(0, 1, max(-1.0, models[j].fit("")) - 2.0)]
    found = [(0, 1, max(-3.5, models[j].fit("")) - 2.0), (1, 1, models[j].fit(cells[i]))]
    if not cells[i].strip():
        found.append((1, 0, -1.6))
    for size in range(2, min(left, 12, left - (width - j) + 3) + 1):
        spaced = sum(cell[:1] == " " for cell in cells[i + 1 : i + size])
        price = merge * (1 + 0.15 * (size - 2))
        price += (0.6 * (size - 1 - spaced) - spaced) if joiner.strip() else 0
        found.append((size, 1, models[j].fit(joiner.join(cells[i : i + size])) - price))
    if left < width - j and j + 1 < width:
        found += [(1, 2, fit - 2.6) for fit in cut(models[j], models[j + 1], cells[i])]
    return found


def behind_the_last(cells: list[str], i: int, width: int) -> float:
    if not cells[i].strip():
        return -0.2
    return -6.5 if not cells[i - 1].strip() else -2.8 if i <= width else -1.2


def cut(first: ColumnModel, second: ColumnModel, cell: str) -> list[float]:
    if len(cell) > 3 * (first.length + second.length) + 20:
        return []
    cuts = [at for at in range(1, len(cell)) if cell[at - 1] != " " != cell[at]]
    fits = [first.fit(cell[:at]) + second.fit(cell[at:]) for at in cuts]
    return [max(fits) - math.log(sum(fit > max(fits) - 0.7 for fit in fits))] if fits else []


@pytest.mark.parametrize(("joiner", "merge"), [(",", 2.2), (" ", 0.5)])
def test_no_way_to_lay_a_row_is_likelier_than_the_one_found(joiner: str, merge: float) -> None:
    random = Random(11)
    for _ in range(40):
        rows = table(random, random.randint(2, 7), 20)
        models = models_of(rows, len(rows[0]))
        cells = damaged(random, rows[3])
        likeliest = every_way(models, cells, joiner, merge)
        aligner = Aligner(models)

        found = aligner.align(cells, joiner, merge, -math.inf)

        assert found is not None
        assert found.fit == pytest.approx(likeliest)
        assert aligner.align(cells, joiner, merge, likeliest + 0.01) is None


def test_no_cell_fits_better_than_the_best_that_a_column_tells() -> None:
    random = Random(5)
    for _ in range(60):
        rows = table(random, 4, 30)
        for model in models_of(rows, 4):
            cells = [*map(str, model.values), "", "7", "north", '"7"', "2020-01-01", "P-7", "x 1"]

            assert max(map(model.fit, cells)) <= model.best + 1e-9


# work that is bounded, counted in steps and never by a clock


def test_damaged_rows_beyond_what_is_looked_at_closely_are_kept_as_they_stand_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = Random(3)
    rows = [[value(random, kind) for kind in (0, 1, 2, 0, 1, 2)] for _ in range(60)]
    texts = [",".join(row) for row in rows]
    for at in range(20, 60, 2):
        texts[at] = ",".join(rows[at][:2] + rows[at][3:])
    data = "\n".join(["a,b,c,d,e,f", *texts]).encode()
    whole = read_text(data)
    monkeypatch.setattr(mending, "_MOST_WORK", 500)

    found = read_text(data)

    assert whole.table.given_up == []
    assert found.table.given_up
    assert found.table.given_up == list(range(22, 62, 2))[-len(found.table.given_up) :]
    assert len(found.table.rows) == len(whole.table.rows) == 60
    assert found.confidence <= 0.5
    last = found.table.rows[found.table.given_up[-1] - 2]
    assert last == [*texts[58].split(","), ""]
    assert any("left as they stand" in note for note in found.describe()["evidence"])


def test_the_work_for_damaged_rows_grows_with_them_and_ends_at_its_bound() -> None:
    random = Random(5)
    rows = table(random, 8, 60)
    work = []
    for count in (50, 100):
        mender = Mender(RawDialect(",", '"'), rows, 8)
        lines = Lines.of("\n".join(",".join(damaged(random, rows[3])) for _ in range(count)))
        for record in Lexer(RawDialect(",", '"')).records(lines):
            mender.mend(record, lines)
        work.append(mender._aligner.work)

    assert work[1] < 3 * work[0]
    assert work[1] < mending._MOST_WORK / 10


def test_each_byte_above_127_is_looked_at_where_it_first_stands_however_far_below() -> None:
    head = "".join(f"{at};Ümlaut\n" for at in range(4_000))
    data = (head + "Köln;5 µg\nStraße;8 °C\nÄÖ\n").encode("cp1252")

    found = _contexts(data)

    assert {byte for byte in b"".join(found) if byte > 127} == {*data} - {*range(128)}
    assert b"5 \xb5g" in found
    assert found.total() < 3_020

"""What detection does for many cells or rows at once is what it would do for each, the long way."""

from __future__ import annotations

import math
from collections import Counter
from itertools import groupby
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.formats.raw.align import Aligner
from pipeline.formats.raw.celltypes import kind_of, mask_of, masks_of, one_kind, short_mask
from pipeline.formats.raw.columns import ColumnModel, models_of
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.eastern import _pairs
from pipeline.formats.raw.lexer import Lexer

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


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='ab ,"', max_size=14).filter(lambda text: '"' in text))
def test_a_line_is_split_the_quick_way_as_the_long_way(text: str) -> None:
    dialect = RawDialect(",", '"')
    quick, long = Lexer(dialect), Lexer(dialect)
    long._unquoted_cells = lambda text: []  # type: ignore[method-assign]
    fast = quick._quick
    assert fast is not None

    told = fast.parse(text) or quick.parse(text)

    assert told == long.parse(text)


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

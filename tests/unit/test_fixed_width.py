"""Columns of fixed width whose places a mapping tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.contract.loading import BUILT_IN, load_contracts
from pipeline.errors import FileCode
from pipeline.harmonize import plan_file
from pipeline.mapping.files import parse_mapping
from pipeline.replay import open_as_planned
from tests.unit.harmonizing import Desk

WIDTHS = (8, 12, 8, 1)
CELLS = [
    ("PT000001", "Müller", "19600517", "F"),
    ("PT000002", "Ngo de la To", "19711203", "M"),
    ("PT000003", "Lee", "19850228", ""),
]
NAMED = """\
fields:
  - {name: id, to: patient_id}
  - {name: name, to: family_name}
  - {name: born, to: birth_date}
  - {name: sex, to: sex}
"""
WITHOUT_HEADER = "{widths: [8, 12, 8, 1], header: false}"


def lines(cells: Sequence[Sequence[str]], widths: Sequence[int] = WIDTHS, gap: str = "") -> str:
    return "".join(
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
        for row in cells
    )


def mapping(dialect: str, fields: str = NAMED) -> str:
    return (
        "contract: patients\nsource: registry\nstatus: confirmed\n"
        f"encoding: utf-8\ndialect: {dialect}\n{fields}"
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def confirm(desk: Desk, dialect: str, fields: str = NAMED) -> None:
    text = mapping(dialect, fields)
    (desk.mappings / "registry.1.mapping.yaml").write_text(text, encoding="utf-8")


def test_columns_without_any_blank_between_them_are_cut_where_the_mapping_says(
    desk: Desk,
) -> None:
    confirm(desk, WITHOUT_HEADER)
    delivered = desk.harmonize(lines(CELLS))

    assert delivered.column("patient_id") == ["PT000001", "PT000002", "PT000003"]
    assert delivered.column("family_name") == ["Müller", "Ngo de la To", "Lee"]
    assert delivered.column("birth_date") == ["1960-05-17", "1971-12-03", "1985-02-28"]
    assert delivered.result.mapping == "registry"
    assert delivered.report["plan"]["reading"]["spans"] == [[0, 8], [8, 20], [20, 28], [28, 29]]


@pytest.mark.parametrize(
    ("dialect", "gap"),
    [
        ("{widths: [8, 12, 8, 4]}", ""),
        (
            "{columns: [{start: 1, width: 8}, {start: 10, width: 12}, {start: 23, width: 8}, "
            "{start: 32}]}",
            " ",
        ),
    ],
)
def test_names_above_the_columns_are_cut_at_the_same_places(
    desk: Desk, dialect: str, gap: str
) -> None:
    confirm(desk, dialect)
    header = [("id", "name", "born", "sex")]
    delivered = desk.harmonize(lines([*header, *CELLS], (8, 12, 8, 4), gap))

    assert delivered.column("family_name") == ["Müller", "Ngo de la To", "Lee"]
    assert delivered.result.counts.read == 3


def test_text_beside_the_columns_rejects_its_row_and_nothing_is_lost(desk: Desk) -> None:
    confirm(desk, WITHOUT_HEADER)
    more = [(f"PT0001{n:02d}", "Lee", "19850228", "M") for n in range(10)]
    content = lines([*CELLS, *more]) + "PT000004Oduya       19900101F left\n"
    delivered = desk.harmonize(content)

    assert delivered.result.counts.written == 13
    assert delivered.reasons == [(14, "", "extra-cell")]
    assert delivered.rejects[0]["raw"] == "PT000004Oduya       19900101F left"
    assert "character 31" in delivered.rejects[0]["sentence"]


ABROAD = [
    ("PT000001", "Müller", "19600517", "F"),
    ("PT000002", "山田太郎", "19711203", "M"),
    ("PT000003", "Nguye\u0302\u0303n", "19850228", "F"),
    ("PT000004", "😀é", "19850228", "M"),
    ("PT000005", "Lee", "19850228", ""),
]
NAMES = ["Müller", "山田太郎", "Nguyễn", "😀é", "Lee"]


def in_bytes(cells: Sequence[Sequence[str]], codec: str) -> bytes:
    filled = [
        b"".join(cell.encode(codec).ljust(width) for cell, width in zip(row, WIDTHS, strict=True))
        for row in cells
    ]
    return b"\n".join([*filled, b""])


def on_screen(cells: Sequence[Sequence[str]]) -> str:
    """Two columns for a wide letter, none for a mark on one."""

    def size(letter: str) -> int:
        return 0 if letter in "\u0302\u0303" else 2 if letter in "山田太郎😀" else 1

    return "".join(
        "".join(
            cell + " " * (width - sum(map(size, cell)))
            for cell, width in zip(row, WIDTHS, strict=True)
        )
        + "\n"
        for row in cells
    )


@pytest.mark.parametrize(
    ("counted", "content"),
    [
        ("characters", lines(ABROAD).encode()),
        ("characters", b"\xef\xbb\xbf" + lines(ABROAD).encode()),
        ("characters", lines(ABROAD).replace("\n", "\r\n").encode()),
        ("bytes", in_bytes(ABROAD, "utf-8")),
        ("bytes", b"\xef\xbb\xbf" + in_bytes(ABROAD, "utf-8")),
        ("columns", on_screen(ABROAD).encode()),
    ],
    ids=["characters", "with a mark", "crlf", "bytes", "bytes with a mark", "columns"],
)
def test_letters_of_any_size_stand_in_their_columns(
    desk: Desk, counted: str, content: bytes
) -> None:
    confirm(desk, f"{{widths: [8, 12, 8, 1], header: false, counted: {counted}}}")
    delivered = desk.harmonize(content)

    assert delivered.column("family_name") == NAMES
    assert delivered.column("birth_date")[1] == "1971-12-03"
    assert delivered.column("sex") == ["female", "male", "female", "male", ""]
    assert delivered.rejects == []


def test_bytes_are_those_of_the_file(desk: Desk) -> None:
    text = mapping("{widths: [8, 12, 8, 1], header: false, counted: bytes}")
    text = text.replace("encoding: utf-8", "encoding: shift_jis")
    (desk.mappings / "registry.1.mapping.yaml").write_text(text, encoding="utf-8")
    delivered = desk.harmonize(in_bytes([ABROAD[1], CELLS[2], CELLS[2]], "shift_jis"))
    assert delivered.column("family_name") == ["山田太郎", "Lee"]


def test_text_beside_columns_of_bytes_is_told_by_its_byte(desk: Desk) -> None:
    confirm(desk, "{widths: [8, 12, 8, 1], header: false, counted: bytes}")
    content = in_bytes(ABROAD * 3, "utf-8") + "PT000009Müller     19850228F left\n".encode()
    delivered = desk.harmonize(content)
    [reject] = [one for one in delivered.rejects if one["code"] == "extra-cell"]
    assert "text stands at byte 31" in reject["sentence"]


def test_lines_that_are_short_lack_their_last_cells_alone(desk: Desk) -> None:
    confirm(desk, WITHOUT_HEADER)
    more = [(f"PT0001{n:02d}", "Lee", "19850228", "M") for n in range(20)]
    content = lines([*CELLS, *more]) + "PT000008Roe         19850228\nPT000009Roe\n"
    delivered = desk.harmonize(content)

    assert delivered.column("sex")[-1] == ""
    assert delivered.reasons == [(25, "birth_date", "required")]


def test_a_header_that_is_not_there_costs_no_row(desk: Desk) -> None:
    """The first line is data, however much it looks like names."""
    confirm(desk, WITHOUT_HEADER)
    content = lines([("PTABCDEF", "Name", "19600517", "F"), *CELLS])
    assert desk.harmonize(content).result.counts.read == 4


def test_lines_above_the_names_are_left_out_when_the_mapping_says_where_they_stand(
    desk: Desk,
) -> None:
    confirm(desk, "{widths: [8, 12, 8, 4], headerRows: [3]}")
    header = [("id", "name", "born", "sex")]
    content = "REGISTRY EXPORT\n\n" + lines([*header, *CELLS], (8, 12, 8, 4))
    assert desk.harmonize(content).column("patient_id") == ["PT000001", "PT000002", "PT000003"]


def test_a_mapping_of_columns_takes_no_separated_file(desk: Desk) -> None:
    """Without names of its own it would fit any text at all."""
    confirm(desk, WITHOUT_HEADER)
    content = "patient_id,last_name,date_of_birth,gender\n" + "".join(
        f"PT-{n},Family{'x' * (n % 3)},1960-05-{n % 28 + 1:02d},F\n" for n in range(40)
    )
    delivered = desk.harmonize(content)
    assert (delivered.result.mapping, delivered.result.counts.written) == (None, 40)


def test_an_answer_that_does_not_fit_its_file_is_refused_in_plain_words(desk: Desk) -> None:
    path = desk.folder / "answer.mapping.yaml"
    path.write_text(mapping("{widths: [2, 2, 2, 2], header: false}"), encoding="utf-8")
    error, _ = desk.refuse(lines(CELLS), answer=str(path))
    assert error.code is FileCode.LAYOUT_UNCLEAR
    assert "do not stand in the 4 columns that the mapping says" in error.note


def test_the_original_is_read_again_by_the_columns_that_its_plan_keeps(desk: Desk) -> None:
    confirm(desk, WITHOUT_HEADER)
    task = desk.task(lines(CELLS))
    plan = plan_file(task)
    kept = replace(plan, reading=json.loads(json.dumps(plan.reading)))
    contract = load_contracts(desk.contracts)["patients"]

    [batch] = open_as_planned(Path(task.source), kept, contract, task.limits).batches()
    assert batch.columns[1].to_pylist() == ["Müller", "Ngo de la To", "Lee"]


@pytest.mark.parametrize(
    ("dialect", "sentence"),
    [
        ("{width: [8]}", "'width' is not a known key here; did you mean 'widths'?"),
        ("{widths: [8, 0]}", "greater than or equal to 1"),
        ("{widths: [8, x]}", "must be a whole number"),
        ("{widths: [8, 2], header: false}", "it places 2 columns, and 4 fields are named"),
        ('{widths: [8], delimiter: ";"}', "has delimiter and widths: cells are parted in one way"),
        ("{counted: bytes}", "has counted, and neither widths nor columns"),
        ("{widths: [8], counted: inches}", "counted"),
        ("{columns: [{begin: 1}]}", "'begin' is not a known key here"),
        ("{columns: [{start: 1}, {start: 9}]}", "column 1 has no width; only the last one"),
        ("{columns: [{start: 1, width: 9}, {start: 9}]}", "column 2 must start at 10 or behind"),
    ],
)
def test_mistakes_in_the_places_are_told(desk: Desk, dialect: str, sentence: str) -> None:
    text = mapping(dialect)
    _, problems = parse_mapping("x.mapping.yaml", text.encode(), load_contracts(BUILT_IN))
    assert sentence in " ".join(map(str, problems))

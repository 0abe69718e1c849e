"""The files of a feed share what is worked out once; each becomes what it would become alone."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import pytest

from pipeline.errors import ContentError
from pipeline.harmonize import harmonize_file
from tests.unit.harmonizing import NOW_S, Desk

_HEADER = "patient_id,last_name,first_name,date_of_birth,gender,phone_number"
_ROWS = (
    "P-1,Lovelace,Ada,1985-12-10,F,(405) 901-4744",
    "P-2,Turing,Alan,1962-06-07,male,",
    "P-3,Hopper,Grace,12/31/1986,F,405.901.4745",
    "P-4,Müller, Jörg ,1976-08-11,M,+49 30 123456",
    "P-5,NA,Katherine,1958-03-02,F,x",
    "P-6,Dijkstra,Edsger,2026-11-21,M,(405) 901-4744",
    "P-7,Noether,Emmy,1882-02-30,F,",
    'P-8,"Curie, née S.",Marie,1967-11-07,Z9,(405) 901-4744',
    "P-9,\x02place of what differs from file to file\x03,A,1967-11-07,F,",
)
_OTHER_HEADERS = (
    _HEADER.replace("phone_number", "mystery"),
    _HEADER.replace("phone_number", "\x02place of what differs from file to file\x03"),
)


_File = tuple[str, float, dict[str, str]]


def _feed() -> list[_File]:
    """Content, moment and settings of each file."""
    alone: list[_File] = [("\n".join((_HEADER, row)) + "\n", NOW_S, {}) for row in _ROWS]
    pairs: list[_File] = [
        ("\n".join((_HEADER, *rows)) + end, NOW_S + 86_400 * len(rows[0]), settings)
        for rows, end, settings in zip(
            product(_ROWS[:6], _ROWS[2:8]),
            ("\n", "", "\r\n") * 12,
            ({}, {"changes": "full"}, {}, {"output_format": "parquet"}) * 9,
            strict=True,
        )
        if rows[0] != rows[1]
    ]
    others: list[_File] = [
        ("\n".join((header, *_ROWS[:2])) + "\n", NOW_S, {}) for header in _OTHER_HEADERS
    ]
    return [*alone, *pairs, *others]


def _made(folder: str, places: list[int]) -> dict[int, dict[str, str]]:
    """What becomes of the files at these places, one after the other in one process."""
    desk, feed = Desk(Path(folder)), _feed()
    found = {}
    for place in places:
        content, now_s, settings = feed[place]
        task = replace(desk.task(content, **settings), now_s=now_s, job=f"j{place + 1}")
        try:
            told = str(replace(harmonize_file(task), unsynced=()))
        except ContentError as error:
            told = str(error)
        outputs = {path.name: _text(path) for path in sorted(Path(task.staging_dir).iterdir())}
        found[place] = {"told": _unlisted(told), **outputs}
    return found


def _text(path: Path) -> str:
    if path.name == "report.json":
        report = json.loads(path.read_text())
        return json.dumps({**report, "timings_s": None})
    return path.read_bytes().decode("latin-1")


def _unlisted(told: str) -> str:
    """Without the outputs, whose hashes depend on how long it took."""
    begin, _, rest = told.partition("outputs=(")
    return begin + rest.partition("rejects=")[2]


@pytest.mark.slow
def test_a_file_becomes_the_same_whichever_files_came_before_it(tmp_path: Path) -> None:
    forth = list(range(len(_feed())))
    orders = (forth, forth[::-1])
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        made = [
            fresh.submit(_made, str(_folder(tmp_path, at)), order)
            for at, order in enumerate(orders)
        ]
        first, other = [one.result() for one in made]
    assert len({one["told"] for one in first.values()}) > 10
    assert {place: other[place] for place in forth} == first


def _folder(above: Path, number: int) -> Path:
    folder = above / str(number)
    folder.mkdir()
    return folder


def test_a_file_is_read_the_same_before_and_after_the_contract_changes(tmp_path: Path) -> None:
    desk = Desk(tmp_path).contract(_CONTRACT.format(version="1.0.0", pattern="[A-Z]+"))
    content = "code,name\nAB,x\nCD,y\n"
    assert desk.harmonize(content).result.counts.written == 2
    desk.contract(_CONTRACT.format(version="1.0.1", pattern="A[A-Z]"))
    again = desk.harmonize(content)
    assert (again.result.counts.written, again.result.counts.rejected) == (1, 1)
    assert again.report["contract"]["version"] == "1.0.1"
    assert "things 1.0.1" in (again.staging / "report.html").read_text()


_CONTRACT = """\
name: things
version: {version}
policy: {{maxRejected: 60%}}
fields:
  - {{name: code, type: string, constraints: {{required: true, pattern: "{pattern}"}}}}
  - {{name: name, type: string}}
"""

"""Foreign keys, seen from outside: rows, warnings, rejects and what the report says was checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from daemon.reference_keys import ReferenceKeys
from pipeline.errors import ContentError
from pipeline.keyfiles import (
    DIGEST,
    Digests,
    KeyRuns,
    distinct_digests,
    merge_keys,
    read_keys,
    write_keys,
)
from pipeline.references import KnownKeys, digests_of, key_file_name, recent_of
from tests.support import World, document, table
from tests.unit.harmonizing import Delivered, Desk

WARDS = "name: wards\nprimaryKey: [ward]\nfields: [{name: ward, type: string}]\n"
STAYS = """
name: stays
foreignKeys:
  - {fields: [ward], reference: {resource: wards, fields: [ward]}, onMissing: POLICY}
fields:
  - {name: ward, type: string}
  - {name: bed, type: string}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def stays(desk: Desk, policy: str) -> Desk:
    desk.contract(STAYS.replace("POLICY", policy))
    (desk.contracts / "wards.contract.yaml").write_text(WARDS, encoding="utf-8")
    return desk


def deliver_wards(desk: Desk, content: str, keys: ReferenceKeys) -> None:
    written = desk.folder / "attempt.keys"
    desk.harmonize(content, contract="wards", keys_dir=str(written))
    keys.take_in("wards", [written])


def with_wards(desk: Desk, policy: str, content: str) -> Delivered:
    stays(desk, policy)
    (desk.folder / "state").mkdir()
    keys = ReferenceKeys(desk.folder / "state")
    deliver_wards(desk, "ward\nnorth\nsouth\n", keys)
    return desk.harmonize(content, contract="stays", references=keys.folders())


ROWS = "ward,bed\nnorth,1\nwest,2\n,3\nsouth,4\n"


def test_rows_that_refer_to_nothing_are_kept_with_a_warning_by_default(desk: Desk) -> None:
    done = with_wards(desk, "warn", ROWS)
    assert done.column("ward") == ["north", "west", "", "south"]
    assert done.report["warnings"] == {"foreign-key": 1}
    assert done.report["references"] == [
        {
            "fields": ["ward"],
            "table": "wards",
            "on_missing": "warn",
            "checked": 3,
            "missing": 1,
            "known_keys": 2,
        }
    ]
    assert done.report["not_checked"] == []


def test_or_they_are_rejected_and_an_empty_cell_refers_to_nothing(desk: Desk) -> None:
    done = with_wards(desk, "reject_row", ROWS)
    assert done.column("ward") == ["north", "", "south"]
    assert done.reasons == [(2, "ward", "foreign-key")]
    assert "wards" in done.rejects[0]["sentence"]
    assert done.result.counts.adds_up


def test_or_nobody_looks(desk: Desk) -> None:
    done = with_wards(desk, "ignore", ROWS)
    assert (done.report["warnings"], done.report["references"]) == ({}, [])
    assert done.report["not_checked"] == ["foreign key ward: the contract says to ignore it"]


@pytest.mark.parametrize("policy", ["warn", "reject_row"])
def test_where_no_such_table_was_delivered_the_report_says_so(desk: Desk, policy: str) -> None:
    done = stays(desk, policy).harmonize(ROWS, contract="stays")
    assert len(done.rows) == 4
    assert done.report["not_checked"] == [
        "foreign key ward: no table wards was ever delivered here"
    ]


def test_a_damaged_file_of_keys_rejects_nobody(desk: Desk) -> None:
    stays(desk, "reject_row")
    folder = desk.folder / "wards"
    folder.mkdir()
    (folder / "ward.keys").write_bytes(b"rubbish")
    done = desk.harmonize(ROWS, contract="stays", references={"wards": str(folder)})
    assert len(done.rows) == 4
    assert done.report["not_checked"] == [
        "foreign key ward: the file of the keys of wards is damaged"
    ]


def test_a_key_of_several_fields_is_one_key(desk: Desk) -> None:
    desk.contract("""
name: doses
foreignKeys: [{fields: [who, day], reference: {resource: visits, fields: [p, d]}, onMissing: warn}]
fields: [{name: who, type: string}, {name: day, type: date}]
""")
    (desk.contracts / "visits.contract.yaml").write_text(
        "name: visits\nprimaryKey: [p, d]\n"
        "fields: [{name: p, type: string}, {name: d, type: date}]\n",
        encoding="utf-8",
    )
    (desk.folder / "state").mkdir()
    keys = ReferenceKeys(desk.folder / "state")
    written = desk.folder / "attempt.keys"
    desk.harmonize("p,d\na,2025-01-13\nb,14/01/2025\n", contract="visits", keys_dir=str(written))
    keys.take_in("visits", [written])
    done = desk.harmonize(
        "who,day\na,2025-01-13\nb,2025-01-14\na,2025-01-14\n",
        contract="doses",
        references=keys.folders(),
    )
    assert done.report["references"][0]["missing"] == 1


TREE = """
name: staff
primaryKey: [id]
foreignKeys: [{fields: [boss], reference: {fields: [id]}, onMissing: POLICY}]
fields: [{name: id, type: string}, {name: boss, type: string}]
"""


def test_rows_may_refer_to_later_rows_of_their_own_file(desk: Desk) -> None:
    desk.contract(TREE.replace("POLICY", "reject_row"))
    done = desk.harmonize("id,boss\na,b\nb,\nc,zz\n")
    assert done.column("id") == ["a", "b"]
    assert done.reasons == [(3, "boss", "foreign-key")]
    assert done.result.counts.adds_up


def test_and_a_warning_counts_them(desk: Desk) -> None:
    done = desk.contract(TREE.replace("POLICY", "warn")).harmonize("id,boss\na,b\nb,\nc,zz\n")
    assert done.column("id") == ["a", "b", "c"]
    assert done.report["warnings"] == {"foreign-key": 1}


def test_a_rejected_row_can_not_be_referred_to(desk: Desk) -> None:
    stays(desk, "reject_row")
    (desk.contracts / "wards.contract.yaml").write_text(
        WARDS.replace("type: string", "type: string, constraints: {maxLength: 5}"),
        encoding="utf-8",
    )
    (desk.folder / "state").mkdir()
    keys = ReferenceKeys(desk.folder / "state")
    deliver_wards(desk, "ward\nnorth\nsouthwest\n", keys)
    assert keys.folders().keys() == {"wards"}
    done = desk.harmonize(
        "ward,bed\nnorth,1\nsouthwest,2\n", contract="stays", references=keys.folders()
    )
    assert done.column("ward") == ["north"]


def test_taking_the_same_keys_in_again_changes_nothing(tmp_path: Path) -> None:
    found = tmp_path / "attempt-1.keys"
    found.mkdir()
    digests, _ = digests_of([pa.array(["b", "a", "b", None])])
    write_keys(found / key_file_name(["id"]), digests)
    keys = ReferenceKeys(tmp_path)
    keys.take_in("patients", [found])
    before = read_keys(tmp_path / "keys" / "patients" / "id.keys").tobytes()
    keys.take_in("patients", [found])
    known = KnownKeys.open(Path(keys.folders()["patients"]), ["id"])
    assert known is not None
    assert len(known) == 2
    assert read_keys(tmp_path / "keys" / "patients" / "id.keys").tobytes() == before


def test_deliveries_of_one_turn_are_taken_in_together(tmp_path: Path) -> None:
    folders = [tmp_path / f"attempt-{number}.keys" for number in range(3)]
    for number, folder in enumerate(folders[:2]):
        folder.mkdir()
        digests, _ = digests_of([pa.array(["both", f"own-{number}"])])
        write_keys(folder / key_file_name(["id"]), digests)
    keys = ReferenceKeys(tmp_path)
    keys.take_in("patients", folders)
    known = KnownKeys.open(Path(keys.folders()["patients"]), ["id"])
    assert known is not None
    assert len(known) == 3
    assert known.has(digests_of([pa.array(["both", "own-0", "own-1"])])[0]).all()


def test_many_deliveries_are_all_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.reference_keys._FEW_KEYS", 16)
    keys = ReferenceKeys(tmp_path)
    found = tmp_path / "attempt.keys"
    found.mkdir()
    everybody = pa.array([f"p{n}" for n in range(500)])
    for start in range(0, 500, 7):
        digests, _ = digests_of([everybody.slice(start, 7)])
        write_keys(found / "id.keys", digests)
        keys.take_in("patients", [found])
    known = KnownKeys.open(Path(keys.folders()["patients"]), ["id"])
    assert known is not None
    assert len(known) == 500
    assert known.has(digests_of([everybody])[0]).all()
    assert not known.has(digests_of([pa.array(["x", "p500"])])[0]).any()


def test_what_a_delivery_writes_does_not_grow_with_what_was_delivered_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def write(path: Path, *several: Digests) -> None:
        written.append(sum(map(len, several)))
        write_keys(path, *several)

    def merge(path: Path, several: Sequence[Digests]) -> None:
        written.append(sum(map(len, several)))
        merge_keys(path, several)

    monkeypatch.setattr("daemon.reference_keys._FEW_KEYS", 16)
    monkeypatch.setattr("daemon.reference_keys.write_keys", write)
    monkeypatch.setattr("daemon.reference_keys.merge_keys", merge)
    keys = ReferenceKeys(tmp_path)
    found = tmp_path / "attempt.keys"
    found.mkdir()
    everybody = pa.array([f"p{n}" for n in range(6_000)])
    for start in range(0, len(everybody), 6):
        write_keys(found / "id.keys", digests_of([everybody.slice(start, 6)])[0])
        keys.take_in("patients", [found])
    known = KnownKeys.open(Path(keys.folders()["patients"]), ["id"])
    assert known is not None
    assert known.has(digests_of([everybody])[0]).all()
    assert len(known) == len(everybody)
    assert sorted(written)[len(written) // 2] <= 16  # most deliveries write the smallest file
    assert sum(written) < 40 * len(everybody)  # one file for all: half of its keys, 1,000 times


def test_keys_are_seen_while_they_move_from_file_to_file(tmp_path: Path) -> None:
    for level, text in enumerate(["new", "older", "old"]):
        digests, _ = digests_of([pa.array([text])])
        write_keys(recent_of(tmp_path / "id.keys", level), digests)
    known = KnownKeys.open(tmp_path, ["id"])
    assert known is not None
    assert known.has(digests_of([pa.array(["new", "older", "old"])])[0]).all()


KINDS_OF_KEYS = {
    "plain": ["p1", "", "a b", "~!#[]", "p1"],
    "quotes": ['a"b', "c\\", 'a", "b'],
    "not ascii": ["Müller", "\u2028", "\U0001f600"],
    "not printed": ["a\tb", "\x00", "\x7f", "a\nb"],
}


@pytest.mark.parametrize("texts", KINDS_OF_KEYS.values(), ids=KINDS_OF_KEYS)
@pytest.mark.parametrize("fields", [1, 2])
@pytest.mark.parametrize("rows", [3, 1_000])
def test_a_key_is_the_digest_of_its_values_as_json(
    texts: list[str], fields: int, rows: int
) -> None:
    several = [None, *texts]
    columns = [
        [several[(number * step) % len(several)] for number in range(rows)]
        for step in range(1, fields + 1)
    ]
    stated = [(at, key) for at, key in enumerate(zip(*columns, strict=True)) if None not in key]
    expected = [blake2b(json.dumps(key).encode(), digest_size=16).digest() for _, key in stated]

    digests, places = digests_of([pa.array(column, pa.string()) for column in columns])

    assert digests.tobytes() == b"".join(expected)
    assert places.tolist() == [at for at, _ in stated]


@pytest.mark.parametrize("keys", [0, 1, 5, 150, 5_000])
def test_keys_are_sorted_and_told_apart_as_numpy_does(keys: int) -> None:
    random = np.random.default_rng(keys)
    halves = random.integers(0, 4, size=(keys, 2), dtype=np.uint64) << np.uint64(62)
    halves |= random.integers(0, 40, size=(keys, 2), dtype=np.uint64)  # many alike, many zero bytes
    digests = np.frombuffer(halves.astype(">u8").tobytes(), dtype=DIGEST)

    told_apart = distinct_digests(digests)

    assert told_apart.tolist() == np.unique(digests).tolist()
    assert distinct_digests(told_apart).tolist() == told_apart.tolist()


@pytest.mark.parametrize("keys", [0, 1, 99, 100, 1_000])
def test_keys_that_do_not_fit_in_memory_are_written_as_those_that_do(
    tmp_path: Path, keys: int
) -> None:
    texts = [f"p{number % 700}" for number in range(keys)]
    digests, _ = digests_of([pa.array(texts, pa.string())])
    runs = KeyRuns(tmp_path, at_once=100)
    for start in range(0, keys, 30):
        runs.add(digests[start : start + 30])
    runs.write(tmp_path / "runs.keys")
    write_keys(tmp_path / "whole.keys", digests)
    assert (tmp_path / "runs.keys").read_bytes() == (tmp_path / "whole.keys").read_bytes()


def test_very_many_keys_are_merged_with_those_that_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ReferenceKeys(tmp_path)
    found = tmp_path / "attempt.keys"
    found.mkdir()
    everybody = digests_of([pa.array([f"p{number}" for number in range(900)])])[0]
    write_keys(found / "id.keys", everybody[:300])
    keys.take_in("patients", [found])
    monkeypatch.setattr("daemon.reference_keys._MANY_KEYS", 500)
    write_keys(found / "id.keys", everybody[200:])
    for _ in range(2):  # the second time after a crash, say
        keys.take_in("patients", [found])
    known = KnownKeys.open(Path(keys.folders()["patients"]), ["id"])
    assert known is not None
    assert len(known) == 900
    assert known.has(everybody).all()


def test_no_value_can_be_read_from_a_file_of_keys(tmp_path: Path) -> None:
    digests, rows = digests_of([pa.array(["MRN-CANARY-7", None])])
    write_keys(tmp_path / "id.keys", digests)
    assert rows.tolist() == [0]
    assert b"CANARY" not in (tmp_path / "id.keys").read_bytes()
    assert len(np.unique(digests)) == 1


LABS = (
    "patient_id,test,collected_at,value,unit\n"
    "MRN001,glucose,2025-01-13 08:00,90,mg/dL\n"
    "MRN999,glucose,2025-01-13 09:00,91,mg/dL\n"
)


def test_the_daemon_checks_against_what_it_delivered_before(world: World) -> None:
    world.drop("labs-early.csv", LABS)
    world.run_until_idle()
    early = document(world.root / "outbox/lab_results/labs-early.j1/report.json")
    assert early["not_checked"] == [
        "foreign key patient_id: no table patients was ever delivered here"
    ]
    world.drop("patients.csv")
    world.run_until_idle()
    patients = table(world.root / "outbox/patients/patients.j2/patients.csv")
    first = patients[0]["patient_id"]
    world.drop("labs.csv", LABS.replace("MRN001", first))
    world.run_until_idle()
    report = document(world.root / "outbox/lab_results/labs.j3/report.json")
    [checked] = report["references"]
    assert (checked["checked"], checked["missing"]) == (2, 1)
    assert checked["known_keys"] == len(patients)
    assert report["warnings"]["foreign-key"] == 1


def test_a_table_that_refers_to_itself_names_fields_it_has(desk: Desk) -> None:
    desk.contract(TREE.replace("POLICY", "warn").replace("fields: [id]}", "fields: [ida]}"))
    with pytest.raises(ContentError, match="'ida', which is no field"):
        desk.harmonize("id,boss\na,b\n")

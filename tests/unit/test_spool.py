"""The spool's verbs on real folders, each repeated and each cut off half way."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon.db.records import Fingerprint, JobRecord, KnownFile, Owner
from daemon.folders.files import FileVanished, copy_verified, fingerprint_of
from daemon.folders.spool import OutsideFolder, Spool, SpoolFolders
from daemon.folders.syncs import Syncs, alone, sync_all
from daemon.inbox.names import ignored_reason
from daemon.inbox.settle import Lease
from daemon.states import JobState
from pipeline.outputs.spreadsheets import spreadsheet_safe

ARRIVED_S = datetime(2026, 11, 21, 23, 59, tzinfo=UTC).timestamp()
DAY = "2026-11-21"
LONG = b"n" * 251 + b".csv"
HOSTILE = [LONG, b"\xff\xfe.csv", b"a\nb\x1b[2J.csv", b"-rf.csv", b"* ?.csv", b"labs/x y/a.csv"]
FOLDERS = ("inbox", "outbox", "archive", "error", "review", "work")


def deliver(spool: Spool, job: JobRecord) -> str:
    syncs = Syncs()
    place = spool.deliver(job, syncs)
    assert not sync_all(syncs.paths)
    return place


def retire(spool: Spool, job: JobRecord, document: Mapping[str, Any]) -> str:
    return alone(partial(spool.retire, job, document))


def quarantine(
    spool: Spool,
    job: JobRecord,
    text: Callable[[Sequence[str]], str],
    document: Mapping[str, Any],
) -> KnownFile | None:
    return alone(partial(spool.quarantine, job, text, document))


def digest_of(spool: Spool, job: JobRecord) -> tuple[str, Fingerprint]:
    return alone(partial(spool.digest, job))


def spool_in(root: Path, **elsewhere: Path) -> Spool:
    places: dict[str, Any] = {name: root / name for name in FOLDERS} | elsewhere
    spool = Spool(SpoolFolders(**places))
    spool.create()
    return spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return spool_in(tmp_path)


@pytest.fixture
def shm(tmp_path: Path) -> Iterator[Path]:
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second filesystem here: /dev/shm is missing or the same one")
    with tempfile.TemporaryDirectory(dir=other) as folder:
        yield Path(folder)


@pytest.fixture(params=["one filesystem", "two filesystems"])
def any_spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    """Everything on one filesystem, and inbox, outbox, archive and error on another than work."""
    if request.param == "one filesystem":
        return spool_in(tmp_path)
    shm: Path = request.getfixturevalue("shm")
    return spool_in(tmp_path, **{n: shm / n for n in ("inbox", "outbox", "archive", "error")})


def dropped(
    spool: Spool, source: bytes = b"a.csv", content: bytes = b"id\n1\n", **job: Any
) -> JobRecord:
    """A file in the inbox and the job that is about to take it."""
    path = inbox_path(spool, source)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return job_for(spool, source, **job)


def job_for(spool: Spool, source: bytes, job_id: int = 1, **other: Any) -> JobRecord:
    seen = inbox_path(spool, source).lstat()
    values: dict[str, Any] = {
        "id": job_id,
        "state": JobState.CLAIMING,
        "source": source,
        "fingerprint": fingerprint_of(seen),
        "owner": Owner(uid=seen.st_uid, gid=seen.st_gid, mode=stat.S_IMODE(seen.st_mode)),
        "created_at_s": ARRIVED_S,
        "updated_at_s": ARRIVED_S,
        "attempts": 1,
        "not_before_s": 0.0,
        "contract": "patients",
        "reason_code": "TRUNCATED",
        "reason_details": (),
    }
    unset: dict[str, Any] = dict.fromkeys(field.name for field in fields(JobRecord))
    return JobRecord(**(unset | values | other))


def inbox_path(spool: Spool, source: bytes) -> Path:
    return spool.folders.inbox / os.fsdecode(source)


def claimed(
    spool: Spool, source: bytes = b"a.csv", content: bytes = b"id\n1\n", **job: Any
) -> JobRecord:
    record = dropped(spool, source, content, **job)
    assert spool.claim_all([record]) == {}
    return record


def staged(spool: Spool, source: bytes = b"a.csv", **job: Any) -> JobRecord:
    """A claimed job whose attempt has left its results."""
    record = claimed(spool, source, **job)
    staging = spool.prepare_staging(record.id, record.attempts)
    (staging / "patients.csv").write_text("clean\n")
    (staging / "rejects.csv").write_text("row,reason\n")
    (staging / "report.json").write_text("{}\n")
    return record


def reason(beside: Sequence[str]) -> str:
    return f"It did not work. See {' and '.join(beside)}.\n"


def quarantined(spool: Spool, job: JobRecord) -> Path:
    quarantine(spool, job, reason, {"job": job.label})
    return spool.folders.error / DAY / f"{job.label}__{job.reason_code}"


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- claiming -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [b"a.csv", *HOSTILE], ids=lambda source: repr(source[:12]))
def test_a_claim_takes_the_file_out_of_the_inbox_as_it_is(any_spool: Spool, source: bytes) -> None:
    job = dropped(any_spool, source, b"bytes")
    os.utime(inbox_path(any_spool, source), ns=(1, 981_173_106_123_456_789))
    inbox_path(any_spool, source).chmod(0o604)
    job = job_for(any_spool, source)
    assert any_spool.claim_all([job]) == {}
    assert not inbox_path(any_spool, source).exists()
    path = any_spool.input_path(job)
    assert os.fsencode(path.name) == job.name
    assert path.read_bytes() == b"bytes"
    assert path.stat().st_mtime_ns == 981_173_106_123_456_789
    assert path.stat().st_mode & 0o777 == 0o604
    assert list(path.parent.iterdir()) == [path]


def test_many_files_are_claimed_together_and_the_losers_are_named(spool: Spool) -> None:
    jobs = [dropped(spool, b"%d.csv" % n, job_id=n) for n in range(1, 8)]
    inbox_path(spool, b"3.csv").unlink()
    inbox_path(spool, b"5.csv").write_text("changed since")
    refusals = spool.claim_all(jobs)
    assert set(refusals) == {3, 5}
    assert "no longer" in refusals[3]
    assert "changed" in refusals[5]
    assert sorted(files(spool.folders.inbox)) == ["5.csv"]
    assert [job.id for job in jobs if spool.stat_input(job)] == [1, 2, 4, 6, 7]


def test_a_claim_may_be_repeated(any_spool: Spool) -> None:
    job = claimed(any_spool)
    assert any_spool.claim_all([job]) == {}
    assert any_spool.input_path(job).read_bytes() == b"id\n1\n"


def test_a_repeated_claim_leaves_a_newer_file_of_that_name_alone(any_spool: Spool) -> None:
    job = claimed(any_spool)  # hazards 32, 46
    inbox_path(any_spool, b"a.csv").write_bytes(b"id\n1\n")
    assert any_spool.claim_all([job]) == {}
    assert sorted(files(any_spool.folders.inbox)) == ["a.csv"]


def test_a_claim_cut_between_copy_and_removal_is_finished(tmp_path: Path, shm: Path) -> None:
    spool = spool_in(tmp_path, inbox=shm / "inbox")
    job = dropped(spool)
    spool.input_dir(job.id).mkdir(parents=True)
    copy_verified(inbox_path(spool, b"a.csv"), spool.input_path(job))
    assert spool.claim_all([job]) == {}
    assert files(spool.folders.inbox) == {}
    assert spool.input_path(job).read_bytes() == b"id\n1\n"


def test_a_file_with_a_second_name_is_copied_so_that_later_edits_do_not_reach_us(
    spool: Spool,
) -> None:  # hazard 62
    job = dropped(spool, content=b"as dropped")
    other = spool.folders.inbox.parent / "sender.csv"
    other.hardlink_to(inbox_path(spool, b"a.csv"))
    job = job_for(spool, b"a.csv")
    assert spool.claim_all([job]) == {}
    other.write_bytes(b"edited later")
    assert spool.input_path(job).read_bytes() == b"as dropped"
    assert files(spool.folders.inbox) == {}


def test_links_and_pipes_are_taken_as_they_are_and_nothing_they_lead_to(any_spool: Spool) -> None:
    secret = any_spool.folders.inbox.parent / "secret"  # hazards 58, 59, 61
    secret.write_text("keep")
    inbox_path(any_spool, b"link.csv").symlink_to(secret)
    os.mkfifo(inbox_path(any_spool, b"fifo.csv"))
    link, fifo = job_for(any_spool, b"link.csv", 1), job_for(any_spool, b"fifo.csv", 2)
    assert any_spool.claim_all([link, fifo]) == {}
    assert any_spool.input_path(link).readlink() == secret
    known = any_spool.stat_input(fifo)
    assert known is not None
    assert stat.S_ISFIFO(known[1])
    assert secret.read_text() == "keep"
    assert list(any_spool.folders.inbox.iterdir()) == []


def test_a_folder_swapped_for_a_link_cannot_lead_a_claim_outside(spool: Spool) -> None:
    outside = spool.folders.inbox.parent / "outside"
    outside.mkdir()
    job = dropped(spool, b"labs/a.csv")
    shutil.move(inbox_path(spool, b"labs/a.csv"), outside / "a.csv")
    inbox_path(spool, b"labs").rmdir()
    inbox_path(spool, b"labs").symlink_to(outside)
    assert "no longer" in spool.claim_all([job])[job.id]
    assert sorted(files(outside)) == ["a.csv"]


def test_a_path_with_dots_is_no_path_in_the_inbox(spool: Spool) -> None:
    (spool.folders.inbox.parent / "a.csv").write_text("x")
    job = replace(dropped(spool, b"b.csv"), source=b"../a.csv")
    assert set(spool.claim_all([job])) == {job.id}
    assert (spool.folders.inbox.parent / "a.csv").exists()


def test_a_file_that_may_not_be_taken_is_refused_with_what_to_do(spool: Spool) -> None:
    job = dropped(spool)
    spool.folders.inbox.chmod(0o500)
    if os.access(spool.folders.inbox, os.W_OK):
        pytest.skip("this process may take any file")
    refusals = spool.claim_all([job])
    spool.folders.inbox.chmod(0o700)
    assert "permission" in refusals[job.id]


def test_a_claimed_file_can_be_given_back_unless_its_name_is_taken(any_spool: Spool) -> None:
    job = claimed(any_spool, b"labs/a.csv", b"v1")
    shutil.rmtree(inbox_path(any_spool, b"labs"))
    assert any_spool.unclaim(job)
    assert files(any_spool.folders.inbox) == {"labs/a.csv": b"v1"}
    job = job_for(any_spool, b"labs/a.csv", 2)
    any_spool.claim_all([job])
    inbox_path(any_spool, b"labs/a.csv").write_bytes(b"v2")
    assert not any_spool.unclaim(job)
    assert files(any_spool.folders.inbox) == {"labs/a.csv": b"v2"}
    assert any_spool.input_path(job).read_bytes() == b"v1"


def test_a_probe_tells_whether_the_scanned_file_is_still_written_to(spool: Spool) -> None:
    dropped(spool)
    inbox_path(spool, b"link.csv").symlink_to("nowhere")
    found = {candidate.source: candidate for candidate in spool.scan().candidates}
    assert spool.probe(found[b"a.csv"]) is Lease.FREE
    assert spool.probe(found[b"link.csv"]) is Lease.FREE
    with inbox_path(spool, b"a.csv").open("a"):
        assert spool.probe(found[b"a.csv"]) is Lease.BUSY
    inbox_path(spool, b"a.csv").write_text("other")
    assert spool.probe(found[b"a.csv"]) is Lease.CHANGED


def test_the_digest_is_of_what_was_claimed(spool: Spool) -> None:
    job = claimed(spool, content=b"abc")
    digest, fingerprint = digest_of(spool, job)
    assert digest == hashlib.sha256(b"abc").hexdigest()
    assert spool.stat_input(job) == (job.fingerprint, spool.input_path(job).stat().st_mode)
    assert fingerprint == job.fingerprint
    spool.clear(job.id)
    assert spool.stat_input(job) is None
    with pytest.raises(FileVanished):
        digest_of(spool, job)


# -- delivering ---------------------------------------------------------------------------------


def test_a_delivery_appears_whole_under_its_contract_with_the_configured_modes(
    any_spool: Spool,
) -> None:
    job = staged(any_spool, b"labs/march.csv", job_id=42)
    assert deliver(any_spool, job) == "patients/march.j42"
    place = any_spool.folders.outbox / "patients" / "march.j42"
    assert sorted(files(place)) == ["patients.csv", "rejects.csv", "report.json"]
    assert place.stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o640}
    assert [p.name for p in place.parent.iterdir()] == ["march.j42"]


def test_a_repeated_delivery_is_the_same_also_when_a_consumer_took_it(any_spool: Spool) -> None:
    job = staged(any_spool)
    assert deliver(any_spool, job) == "patients/a.j1"
    before = files(any_spool.folders.outbox)
    assert deliver(any_spool, job) == "patients/a.j1"
    assert files(any_spool.folders.outbox) == before
    shutil.rmtree(any_spool.folders.outbox / "patients" / "a.j1")
    assert deliver(any_spool, job) == "patients/a.j1"
    assert files(any_spool.folders.outbox) == {}


def test_a_delivery_cut_between_copy_and_removal_is_not_made_twice(
    tmp_path: Path, shm: Path
) -> None:
    spool = spool_in(tmp_path, outbox=shm / "outbox")
    job = staged(spool)
    staging = spool.staging_dir(1, 1)
    shutil.copytree(staging, tmp_path / "kept")
    deliver(spool, job)
    shutil.copytree(tmp_path / "kept", staging)  # the copy is there, the source not yet removed
    assert deliver(spool, job) == "patients/a.j1"
    assert [p.name for p in (spool.folders.outbox / "patients").iterdir()] == ["a.j1"]


def test_results_of_another_database_under_the_same_name_are_never_overwritten(
    any_spool: Spool,
) -> None:  # hazard 101
    old = any_spool.folders.outbox / "patients" / "a.j1"
    old.mkdir(parents=True)
    (old / "patients.csv").write_text("old")
    job = staged(any_spool)
    assert deliver(any_spool, job) == "patients/a.j1-2"
    assert deliver(any_spool, job) == "patients/a.j1-2"
    assert files(old) == {"patients.csv": b"old"}


@pytest.mark.parametrize("source", HOSTILE, ids=lambda source: repr(source[:12]))
def test_any_name_is_delivered_under_a_name_every_system_can_read(
    spool: Spool, source: bytes
) -> None:
    delivery = deliver(spool, staged(spool, source))
    assert (spool.folders.outbox / delivery / "patients.csv").exists()
    assert delivery.isprintable()
    assert len(delivery.split("/")[-1].encode()) < 200


def test_results_that_were_never_published_and_are_gone_are_not_a_success(spool: Spool) -> None:
    job = claimed(spool)  # hazard 109
    with pytest.raises(FileVanished):
        deliver(spool, job)


def test_a_link_among_our_folders_is_refused(spool: Spool) -> None:
    outside = spool.folders.outbox.parent / "outside"
    outside.mkdir()
    (spool.folders.outbox / "patients").symlink_to(outside)
    with pytest.raises(OutsideFolder):
        deliver(spool, staged(spool))
    assert files(outside) == {}


def test_staging_is_empty_at_the_start_of_every_attempt(spool: Spool) -> None:
    job = staged(spool)
    assert list(spool.prepare_staging(job.id, 1).iterdir()) == []
    assert spool.prepare_staging(job.id, 2).is_dir()


# -- archive and error --------------------------------------------------------------------------


@pytest.mark.parametrize("source", [b"a.csv", *HOSTILE], ids=lambda source: repr(source[:12]))
def test_an_archived_original_keeps_name_bytes_mtime_and_mode(
    any_spool: Spool, source: bytes
) -> None:
    dropped(any_spool, source, b"bytes")
    os.utime(inbox_path(any_spool, source), ns=(1, 981_173_106_123_456_789))
    inbox_path(any_spool, source).chmod(0o604)
    job = job_for(any_spool, source)
    any_spool.claim_all([job])
    assert retire(any_spool, job, {"job": "j1"}) == f"{DAY}/j1"
    place = any_spool.folders.archive / DAY / "j1"
    original = place / os.fsdecode(job.name)
    assert original.read_bytes() == b"bytes"
    assert original.stat().st_mtime_ns == 981_173_106_123_456_789
    assert original.stat().st_mode & 0o777 == 0o604
    assert json.loads((place / "job.json").read_text()) == {"job": "j1"}
    assert (place / "job.json").stat().st_mode & 0o777 == 0o640
    assert len(list(place.iterdir())) == 2


def test_a_quarantined_file_lies_beside_its_reason_and_what_the_attempt_found(
    any_spool: Spool,
) -> None:
    job = staged(any_spool, job_id=42)
    known = quarantine(any_spool, job, reason, {"job": "j42"})
    place = any_spool.folders.error / DAY / "j42__TRUNCATED"
    assert files(place) == {
        "a.csv": b"id\n1\n",
        "REASON.txt": b"It did not work. See rejects.csv and report.json.\n",
        "reason.json": (place / "reason.json").read_bytes(),
        "rejects.csv": b"row,reason\n",
        "report.json": b"{}\n",
    }
    written = json.loads((place / "reason.json").read_text())
    assert written["job"] == "j42"
    assert set(written["sidecars"]) == {"REASON.txt", "rejects.csv", "report.json"}
    assert known is not None
    assert (known.inode, known.job_id) == ((place / "a.csv").stat().st_ino, 42)


@pytest.mark.parametrize("verb", ["retire", "quarantine"])
def test_filing_may_be_repeated_after_a_crash_anywhere(any_spool: Spool, verb: str) -> None:
    folder = any_spool.folders.archive if verb == "retire" else any_spool.folders.error

    def file(job: JobRecord) -> None:
        if verb == "retire":
            retire(any_spool, job, {})
        else:
            quarantine(any_spool, job, reason, {})

    job = staged(any_spool)
    shelf = any_spool.job_dir(1) / "filed"
    shelf.mkdir(mode=0o700)  # cut after the shelf was made
    file(job)
    whole = files(folder)
    assert len(whole) > 1
    file(job)  # cut after the rename
    assert files(folder) == whole
    any_spool.clear(1)
    shutil.rmtree(folder / DAY)

    job = staged(any_spool)
    shelf.mkdir(mode=0o700)
    any_spool.input_path(job).rename(shelf / "a.csv")  # cut after the original was shelved
    file(job)
    assert files(folder) == whole


@pytest.mark.parametrize("verb", ["retire", "quarantine"])
def test_what_a_person_took_away_is_not_made_again(spool: Spool, verb: str) -> None:
    job = staged(spool)
    folder = spool.folders.archive if verb == "retire" else spool.folders.error
    for _ in range(2):
        if verb == "retire":
            retire(spool, job, {})
        else:
            quarantine(spool, job, reason, {})
        shutil.rmtree(folder / DAY, ignore_errors=True)
    assert files(folder) == {}


def test_a_quarantine_without_its_original_still_explains_itself(spool: Spool) -> None:
    job = claimed(spool, reason_code="TAMPERED")  # hazard 109
    spool.input_path(job).unlink()
    assert quarantine(spool, job, reason, {"job": "j1"}) is None
    place = spool.folders.error / DAY / "j1__TAMPERED"
    assert sorted(files(place)) == ["REASON.txt", "reason.json"]
    assert json.loads((place / "reason.json").read_text())["original_missing"] is True


def test_an_error_folder_of_another_database_is_never_overwritten(any_spool: Spool) -> None:
    first = quarantined(any_spool, claimed(any_spool, content=b"one"))
    any_spool.clear(1)
    quarantined(any_spool, claimed(any_spool, content=b"two"))
    assert (first / "a.csv").read_bytes() == b"one"
    second = first.with_name(f"{first.name}-2")
    assert (second / "a.csv").read_bytes() == b"two"


@pytest.mark.parametrize("name", [b"rejects.csv", b"REASON.txt", b"reason.json"])
def test_an_original_named_like_one_of_our_papers_is_not_lost(spool: Spool, name: bytes) -> None:
    job = staged(spool, b"labs/" + name)
    place = quarantined(spool, job)
    assert (place / "original" / name.decode()).read_bytes() == b"id\n1\n"
    shutil.move(place, spool.folders.inbox / place.name)
    source = f"{place.name}/original/".encode() + name
    assert [candidate.source for candidate in spool.scan().candidates] == [source]


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_what_is_refused_for_its_kind_is_filed_as_it_is(spool: Spool, kind: str) -> None:
    path = inbox_path(spool, b"a.csv")
    if kind == "symlink":
        path.symlink_to("/etc/passwd")
    else:
        os.mkfifo(path)
    job = job_for(spool, b"a.csv", reason_code="SYMLINK")
    spool.claim_all([job])
    place = quarantined(spool, job)
    assert stat.S_IFMT((place / "a.csv").lstat().st_mode) in (stat.S_IFLNK, stat.S_IFIFO)
    assert (place / "REASON.txt").exists()


def test_clearing_removes_the_jobs_folder_and_follows_no_link(spool: Spool) -> None:
    job, other = claimed(spool, job_id=1), claimed(spool, b"b.csv", job_id=2)
    (spool.job_dir(1) / "link").symlink_to(spool.job_dir(2))
    spool.clear(job.id)
    spool.clear(job.id)
    assert not spool.job_dir(1).exists()
    assert spool.input_path(other).exists()


# -- coming back --------------------------------------------------------------------------------


def test_a_returned_error_folder_gives_its_original_and_disappears(any_spool: Spool) -> None:
    place = quarantined(any_spool, staged(any_spool))  # hazard 108
    (any_spool.folders.inbox / "back").mkdir()
    shutil.move(place, any_spool.folders.inbox / "back" / place.name)
    found = any_spool.scan()
    assert [c.source for c in found.candidates] == [b"back/j1__TRUNCATED/a.csv"]
    again = job_for(any_spool, b"back/j1__TRUNCATED/a.csv", 2)
    assert any_spool.claim_all([again]) == {}
    assert any_spool.input_path(again).read_bytes() == b"id\n1\n"
    assert [p.name for p in any_spool.folders.inbox.rglob("*")] == ["back"]


def test_a_paper_that_somebody_edited_stays_in_the_inbox_and_is_never_ingested(
    spool: Spool,
) -> None:
    place = quarantined(spool, staged(spool))
    back = spool.folders.inbox / place.name
    shutil.move(place, back)
    (back / "rejects.csv").write_text("my corrections")
    again = job_for(spool, b"j1__TRUNCATED/a.csv", 2)
    assert spool.claim_all([again]) == {}
    assert files(spool.folders.inbox) == {"j1__TRUNCATED/rejects.csv": b"my corrections"}
    assert spool.scan().candidates == []
    assert ignored_reason(b"j1__TRUNCATED/rejects.csv")


def test_somebody_elses_folder_of_that_shape_loses_nothing_but_its_file(spool: Spool) -> None:
    folder = spool.folders.inbox / "j9__EMPTY"
    folder.mkdir()
    (folder / "reason.json").write_text("not ours")
    (folder / "REASON.txt").write_text("not ours")
    job = dropped(spool, b"j9__EMPTY/a.csv")
    assert spool.claim_all([job]) == {}
    assert sorted(p.name for p in folder.iterdir()) == ["REASON.txt", "reason.json"]


def test_a_retry_takes_a_refused_original_out_of_the_error_folder(any_spool: Spool) -> None:
    parent = staged(any_spool)
    place = quarantined(any_spool, parent)
    any_spool.clear(1)
    (place / "a.csv").write_bytes(b"corrected in place")
    retry = replace(parent, id=2)
    for _ in range(2):  # the second time as after a crash
        assert any_spool.reclaim(retry, parent)
        assert any_spool.input_path(retry).read_bytes() == b"corrected in place"
        assert not place.exists()


def test_a_retry_of_a_delivered_file_copies_it_from_the_archive(any_spool: Spool) -> None:
    parent = claimed(any_spool)
    retire(any_spool, parent, {})
    any_spool.clear(1)
    retry = replace(parent, id=2)
    for _ in range(2):
        assert any_spool.reclaim(retry, parent)
    assert any_spool.input_path(retry).read_bytes() == b"id\n1\n"
    assert (any_spool.folders.archive / DAY / "j1" / "a.csv").exists()


def test_a_retry_of_an_original_that_is_nowhere_says_so(spool: Spool) -> None:
    parent = claimed(spool)
    spool.clear(1)
    assert not spool.reclaim(replace(parent, id=2), parent)


def test_files_in_work_that_no_job_knows_are_offered_again(any_spool: Spool) -> None:
    orphan = claimed(any_spool, LONG, b"precious", job_id=7)
    claimed(any_spool, b"live.csv", job_id=8)
    inbox_path(any_spool, b"recovered-j7-" + LONG[:200]).write_text("in the way")
    assert any_spool.orphans({8}) == [7]
    assert any_spool.offer_again(7) == 1
    assert any_spool.orphans({8}) == []
    found = [c for c in files(any_spool.folders.inbox).items() if c[1] == b"precious"]
    assert len(found) == 1
    assert found[0][0].startswith("recovered-j7-")
    assert found[0][0].endswith(".csv")
    assert any_spool.input_path(orphan).exists() is False


def test_two_orphans_of_one_name_are_both_kept(spool: Spool) -> None:
    for turn in range(2):
        claimed(spool, b"a.csv", b"%d" % turn, job_id=7)
        spool.offer_again(7)
    assert set(files(spool.folders.inbox).values()) == {b"0", b"1"}


def test_an_orphan_cut_while_it_was_filed_gives_back_its_original_and_no_paper(
    spool: Spool,
) -> None:
    job = staged(spool, job_id=7)
    shelf = spool.job_dir(7) / "filed"
    shelf.mkdir()
    spool.input_path(job).rename(shelf / "a.csv")
    (shelf / "REASON.txt").write_text("ours")
    assert spool.offer_again(7) == 1
    assert files(spool.folders.inbox) == {"recovered-j7-a.csv": b"id\n1\n"}


# -- retention and the index --------------------------------------------------------------------


def test_pruning_removes_whole_days_and_nothing_else(spool: Spool) -> None:
    archive = spool.folders.archive
    for day, jobs in (("2026-01-01", 2), ("2026-01-31", 1), ("2026-02-01", 1)):
        for number in range(jobs):
            (archive / day / f"j{number}").mkdir(parents=True)
    (archive / "2026-02-31").mkdir()
    (archive / "notes").mkdir()
    outside = archive.parent / "outside"
    (outside / "j1").mkdir(parents=True)
    (archive / "2025-01-01").symlink_to(outside)
    assert spool.prune_archive(date(2026, 2, 1)) == 3
    assert sorted(p.name for p in archive.iterdir()) == [
        "2025-01-01",
        "2026-02-01",
        "2026-02-31",
        "notes",
    ]
    assert (outside / "j1").exists()


def test_the_index_lists_refused_files_safely_for_spreadsheets(spool: Spool) -> None:
    job = claimed(spool, b"=cmd|' /C calc'!A0.csv", reason_note="line 3 ends too soon")
    quarantined(spool, job)
    gone = replace(job, id=2, source=b"\xff\n.csv")
    spool.write_error_index([job, gone])
    content = (spool.folders.error / "INDEX.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row["job"] for row in rows] == ["j1", "j2"]
    assert rows[0]["file"] == "'=cmd|' /C calc'!A0.csv"
    assert rows[0]["folder"] == f"{DAY}/j1__TRUNCATED"
    assert rows[0]["note"] == "line 3 ends too soon"
    assert rows[1]["folder"] == "taken away"
    assert rows[1]["file"].isprintable()


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "＝1"])
def test_no_cell_can_start_a_formula(text: str) -> None:
    assert spreadsheet_safe(text) == f"'{text}"
    assert spreadsheet_safe("plain = text") == "plain = text"


def test_folders_are_made_private_where_they_must_be(spool: Spool) -> None:
    assert spool.folders.work.stat().st_mode & 0o777 == 0o700
    assert spool.state_dir.stat().st_mode & 0o777 == 0o700
